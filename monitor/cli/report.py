"""An Evidently report of stored traces or files."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from monitor.cli.sides import Build, Choice, Place, Range, given, instant, place_of
from monitor.errors import DriftwardenError

HELP = """Write a report by Evidently: what is now beside the reference.

What is now is --build NAME, or --from and --to, or without either all that came after the reference. The reference is
the baseline in force, or --reference: a build, a range of time or a file, as in `driftwarden drift compare`; then
--current may be a file too.

Evidently runs in a process of its own, without telemetry. It needs the extra: pip install 'driftwarden[report]'.
Its verdicts are single tests (Kolmogorov-Smirnov, χ²) at --alpha over the number of signals; the judge and
`drift compare` see more with fewer false alarms.

\b
Examples:
  driftwarden report --html report.html
  driftwarden report --build support-7b:int4-7f3a90 --html int4.html
  driftwarden report --from 2026-01-08T00:00 --to 2026-01-09T00:00 --reference 2026-01-01/2026-01-02 --html week.html
  driftwarden report --reference march.csv --current june.csv --map prompt=query --map response=answer --html june.html
"""


@click.command(help=HELP)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Where the page goes.")
@click.option("--build", help="What is now: traces of this build.")
@click.option("since", "--from", metavar="TIME", help="What is now: traces from this time on, UTC without a zone.")
@click.option("until", "--to", metavar="TIME", help="And before this one.")
@click.option("--current", metavar="PLACE", help="What is now: a build, a range of time or a file.")
@click.option("--reference", metavar="PLACE", help="A build, a range of time or a file; else the baseline in force.")
@click.option("--embeddings", is_flag=True, help="With embeddings, on at most 500 traces a side; takes minutes.")
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True)
@click.option("--limit", type=click.IntRange(min=30), default=5000, show_default=True, help="Traces a side, at random.")
@click.option("--segment", multiple=True, metavar="LABEL=VALUE", help="Traces with this label.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Of files, the rows with this value.")
@click.option("maps", "--map", multiple=True, metavar="TARGET=COLUMN", help="Of files, as in import.")
@click.option("sets", "--set", multiple=True, metavar="TARGET=VALUE", help="Of files, as in import.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def report(**asked: Any) -> None:
    from monitor.report import MISSING_EXTRA

    if find_spec("evidently") is None:
        raise click.ClickException(MISSING_EXTRA)
    try:
        made = run(asked)
    except DriftwardenError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{asked['html']}: {made}")


def run(asked: dict[str, Any]) -> str:
    """Read both sides, make the report, and say what is in it."""
    from monitor.comparing import independent
    from monitor.model.signal import KINDS
    from monitor.report import make

    before, now = reference_of(asked), current_of(asked)
    vectors = [name for name, kind in KINDS.items() if kind == "vector"] if asked["embeddings"] else []
    choice = Choice(
        maps=asked["maps"], sets=asked["sets"], where=asked["where"], segment=asked["segment"], limit=asked["limit"],
        seed=asked["seed"], signals=[name for name, kind in KINDS.items() if kind in ("scalar", "category")] + vectors,
    )  # fmt: skip
    sides = [given(place, str(place), choice) for place in (before, now)]
    sides = [replace(side, scored=independent(side.scored, seed=asked["seed"])) for side in sides]
    with tempfile.TemporaryDirectory(prefix="driftwarden-report-") as folder:
        made = make(
            sides[0], sides[1], asked["html"].absolute(), folder=Path(folder), vectors=asked["embeddings"],
            alpha=asked["alpha"],
        )  # fmt: skip
    signals = len(made.scalars) + len(made.categories) + len(made.vectors)
    counts = " and ".join(f"{len(side.scored):,}" for side in sides)
    return f"{now} beside {before}, {signals} signals of {counts} traces"


def reference_of(asked: dict[str, Any]) -> Place:
    """What is compared with: as told, else the traces of the baseline in force."""
    if asked["reference"]:
        return place_of(asked["reference"])
    from monitor import wiring

    baseline = wiring.baseline_store().version(None)
    return Range(baseline.since, baseline.until)


def current_of(asked: dict[str, Any]) -> Place:
    """What is compared: as told, else all traces after the reference."""
    spans = asked["since"] or asked["until"]
    if sum(bool(each) for each in (asked["build"], spans, asked["current"])) > 1:
        raise click.UsageError("--build, --from/--to and --current each say what is now: give one of them")
    if asked["build"]:
        return Build(asked["build"])
    if asked["current"]:
        return place_of(asked["current"])
    from monitor import wiring

    now = wiring.clock()
    until = instant(asked["until"]) if asked["until"] else now
    if asked["since"]:
        return Range(instant(asked["since"]), until)
    return Range(wiring.baseline_store().version(None).judged_from, until)
