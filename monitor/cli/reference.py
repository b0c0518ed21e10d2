"""What now is compared with: baselines listed, shown, pinned, accepted and cleared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

import click

from monitor.cli.output import FORMATS, Format, cell, show
from monitor.errors import Permanent
from monitor.fitting import SEGMENT_MINIMUM
from monitor.model.alert import Alert
from monitor.model.baseline import Baseline
from monitor.model.segment import Segment

# So many segments without a reference are named.
NAMED_SEGMENTS = 5

LISTED = """
    SELECT version, in_force, source, traces, since, until, builds,
        round(run_length_lowest::numeric, 2) || ' to ' || round(run_length_highest::numeric, 2) AS run_length,
        coalesce(cardinality(segments), 0) AS segments, space, left(sha256, 12) AS sha256
    FROM v_baselines ORDER BY version DESC
"""


@click.group()
def reference() -> None:
    """List, show, pin, accept and clear references."""


@reference.command("list")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def listed(form: Format) -> None:
    """All baselines; the newest is in force."""
    from monitor import wiring

    show(wiring.reader().rows(LISTED, {}), form)


@reference.command("show")
@click.argument("version", type=int, required=False)
@click.option("--segment", default="all", show_default=True, help="As listed: all, tenant=acme, …")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def shown(version: int | None, segment: str, form: Format) -> None:
    """What a baseline (by default the one in force) was made of, and a segment's reference of each signal.

    RUN_LENGTH is the mean time to a false alarm that a replay without change achieved, over the one aimed at: below 1
    there are more false alarms than the budget says. OVER_DISPERSION is how much more than by chance the traffic
    varied; 1 is that of independent traces.
    """
    from monitor import wiring

    baseline = wiring.baseline_store().version(version)
    if form == "table":
        for name, value in described(baseline):
            click.echo(f"{name:11} {value}")
    if baseline.cleared:
        return
    references = baseline.references.get(Segment.parse(segment))
    if references is None:
        known = ", ".join(str(found) for found in sorted(baseline.references))
        raise Permanent(f"baseline {baseline.version} has no reference of segment {segment}; it has those of: {known}")
    if form == "table":
        click.echo()
    rows = (
        {
            "signal": name,
            "traces": found.n,
            "features": len(found.mean),
            "over_dispersion": found.over_dispersion,
            "smallest_effect": found.smallest_effect,
            "run_length": found.achieved if isfinite(found.achieved) else None,
        }
        for name, found in references.items()
    )
    show(rows, form)


def described(baseline: Baseline) -> list[tuple[str, str]]:
    """What a person wants to know of a baseline, name and value."""
    told = [("baseline", f"{baseline.version}: {baseline.source}")]
    if baseline.cleared:
        return [*told, ("judged", f"nothing, until traces after {cell(baseline.until)} UTC were learned from")]
    segments = {segment: max(found.n for found in own.values()) for segment, own in baseline.references.items()}
    lengths = baseline.run_lengths
    replayed = "no null replay was made (drift.replay_panes is 0)"
    if lengths is not None:
        span = " to ".join(dict.fromkeys(f"{length:.2f}" for length in lengths))
        replayed = f"achieved {span} of the one aimed at, by signal, in the null replay"
    told += [
        ("traces", f"{baseline.traces:,} from {cell(baseline.since)} to {cell(baseline.until)} UTC"),
        ("judged", f"traces after {cell(baseline.judged_from)} UTC"),
        ("builds", ", ".join(baseline.builds) or "not recorded"),
        ("embeddings", baseline.space),
        ("run length", replayed),
        ("segments", ", ".join(f"{segment} ({count:,})" for segment, count in sorted(segments.items()))),
    ]
    if baseline.left_out:
        told.append(("left out", over_limit(baseline)))
    return told


def over_limit(baseline: Baseline) -> str:
    """Which segments have no reference for the limit's sake, the first few by name."""
    names = ", ".join(str(segment) for segment in baseline.left_out[:NAMED_SEGMENTS])
    more = "" if len(baseline.left_out) <= NAMED_SEGMENTS else f" and {len(baseline.left_out) - NAMED_SEGMENTS} more"
    return (
        f"{names}{more}: judged in all traffic only, since {len(baseline.references)} larger segments reach"
        " drift.segment_limit"
    )


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
    for name, value in described(active):
        click.echo(f"{name:11} {value}")


@reference.command("accept")
@click.option(
    "--alert", help="The signals of this open alert, in its segment, since its onset. An id or its beginning."
)
@click.option("--segment", help="As listed: all (the default), tenant=acme, …")
@click.option("--signal", "signals", multiple=True, help="This one; may be given again.  [default: every signal]")
@click.option(
    "--last", type=click.IntRange(200, 1_000_000), default=20_000, show_default=True, help="The newest so many traces."
)
def accept(alert: str | None, segment: str | None, signals: tuple[str, ...], last: int) -> None:
    """Compare with the present behaviour from now on, and resolve the alerts about it.

    Only the references that are named become new, in the segment and in the segments within it, learned from the
    newest traces: those since the onset where an alert about the segment is open. All other references stay, and what
    is known of them goes on. The feature maps stay too; `reference pin` makes new ones.
    """
    from monitor import wiring
    from monitor.accepting import Wish

    if alert is not None and (segment is not None or signals):
        raise click.UsageError("--alert names segment and signals: give it alone, or --segment and --signal")
    found = wiring.settings()
    accepter = wiring.accepter(found, wiring.engine(found), lambda _event: None)
    opened = accepter.store.open_drifts()
    if alert is not None:
        about = the_one(alert, opened)
        wish = Wish(Segment.parse(about.labels["segment"]), about.signals, last, about.onset)
    else:
        asked = Segment.parse(segment or "all")
        onset = next((each.onset for each in opened if each.labels["segment"] == str(asked)), None)
        wish = Wish(asked, signals, last, onset)
    done = accepter.accept(wish)
    for name, value in described(done.baseline):
        click.echo(f"{name:11} {value}")
    for place, count in sorted(done.too_small.items()):
        why = f"{count} traces, a reference needs {SEGMENT_MINIMUM}: not judged there any more"
        click.echo(f"too small   {place}: {why}")
    for change in done.changes:
        open_for = ", ".join(change.alert.signals) if change.alert.open else ""
        fate = f"stays open for {open_for}" if change.alert.open else "resolved: accepted"
        click.echo(f"alert       {change.alert.id} of {change.alert.labels['segment']} {fate}")


def the_one(alert: str, opened: Sequence[Alert]) -> Alert:
    """The open drift alert whose id is, or begins with, what was given."""
    matching = [each for each in opened if each.id.startswith(alert)]
    if len(matching) != 1:
        why = "more than one begins like this" if matching else "there is no open drift alert with this id"
        raise Permanent(f"alert {alert!r}: {why}")
    return matching[0]


@reference.command("clear")
def cleared() -> None:
    """End the baseline in force; another is learned from the traces that come from now on.

    For a new embedding model, whose vectors do not compare with those of the old one: stop the consumers, set the
    model, clear, start them. Until then nothing is judged.
    """
    from monitor import wiring

    found = wiring.settings()
    active = wiring.learner(found, wiring.engine(found), lambda _event: None).clear()
    click.echo(
        f"baseline {active.version} judges nothing: the next is learned from {found.drift.reference_traces:,} traces"
        f" after {cell(active.until)} UTC, with embeddings of {active.space}"
    )
