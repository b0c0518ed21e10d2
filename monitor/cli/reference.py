"""What now is compared with."""

from __future__ import annotations

from datetime import datetime

import click

from monitor.cli.output import FORMATS, Format, show


@click.group()
def reference() -> None:
    """List, show and pin references."""


@reference.command("list")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def listed(form: Format) -> None:
    """All baselines; the newest is in force."""
    from monitor import wiring

    sql = (
        "SELECT version, in_force, source, traces, since, until, judged_from, segments, left(sha256, 12) AS sha256"
        " FROM v_baselines ORDER BY version DESC"
    )
    show(wiring.reader().rows(sql, {}), form)


@reference.command("show")
@click.argument("version", type=int, required=False)
def shown(version: int | None) -> None:
    """What a baseline holds, by segment and signal."""
    from monitor import wiring

    baseline = wiring.baseline_store().version(version)
    click.echo(f"baseline {baseline.version}: {baseline.source}; {baseline.traces} traces, embeddings {baseline.space}")
    rows = (
        {
            "segment": str(segment),
            "signal": name,
            "traces": found.n,
            "features": len(found.mean),
            "over_dispersion": found.over_dispersion,
            "smallest_effect": found.smallest_effect,
            "run_length_achieved": found.achieved,
        }
        for segment, references in sorted(baseline.references.items())
        for name, found in references.items()
    )
    show(rows, "table")


@reference.command("pin")
@click.option("--build", help="Traces of this build (see `driftwarden query builds`).")
@click.option("--since", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]), help="From, with zone.")
@click.option("--until", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]), help="To before.")
@click.option(
    "--limit", type=click.IntRange(200, 1_000_000), default=20_000, show_default=True, help="The first so many."
)
@click.option(
    "--judge-from", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]),
    help="Judge traces after this; by default after the newest stored one.",
)  # fmt: skip
def pinned(
    build: str | None, since: datetime | None, until: datetime | None, limit: int, judge_from: datetime | None
) -> None:
    """Make stored traces the baseline from now on."""
    from monitor import wiring

    found = wiring.settings()
    database = wiring.engine(found)
    where = {"build": build, "since": since, "until": until}
    told = ", ".join(f"{name} {value}" for name, value in where.items() if value is not None) or "all traces"
    active = wiring.learner(found, database, lambda _event: None).pin(
        where=where, source=f"pinned: {told}", limit=limit, judged_from=judge_from
    )
    click.echo(f"baseline {active.version} in force: {active.traces} traces from {active.since} to {active.until}")
    click.echo(f"segments with a reference: {', '.join(str(segment) for segment in sorted(active.references))}")
    click.echo(f"judged: traces after {active.judged_from}")
