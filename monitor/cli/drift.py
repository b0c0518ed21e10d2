"""Comparisons that are made once, on request."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

from monitor.cli.sides import Choice, Place, given, place_of
from monitor.errors import DriftwardenError
from monitor.importing.row import suggestion
from monitor.model.comparison import Comparison
from monitor.model.scores import NAMES
from monitor.model.signal import KINDS

Form = Literal["table", "json"]

HELP = f"""Compare the traces of NOW with those of BEFORE, signal by signal.

\b
BEFORE and NOW are each one of
  build:NAME or NAME     a deployment, as `driftwarden query builds` names it
  2026-01-01T00:00/2026-01-02T00:00
                         stored traces of a range of time, UTC where it names no zone
  march.csv.gz           a file: CSV, JSON lines or Parquet, read as `driftwarden import` reads it
                         and scored here; no service is needed

Each signal gets the size of the difference with its 95 % interval, a p-value, an e-value, and a verdict at a false
discovery rate of --alpha over all signals. What changed is shown by example traces. Traces count as independent:
of those with one session id, one is tested.

\b
Exit code: 0, or with --fail-on-drift 1 when a signal changed; 2 when nothing could be compared.

\b
Examples:
  driftwarden drift compare support-7b:fp16-82a1c0 support-7b:int4-7f3a90 --html builds.html
  driftwarden drift compare 2026-01-01/2026-01-02 2026-01-08/2026-01-09 --segment tenant=acme
  driftwarden drift compare march.csv june.csv --map prompt=query --map response=answer --fail-on-drift
  driftwarden drift compare all.csv.gz all.csv.gz --where-before model=v1 --where-now model=v2 --map auto

\b
Signals: {", ".join(list(KINDS)[:6])},
  {", ".join(list(KINDS)[6:9])}, {", ".join(list(KINDS)[-3:])},
  and the scores: {", ".join(NAMES[:3])} …
"""


@click.group()
def drift() -> None:
    """Compare builds, ranges of time and files."""


@drift.command("compare", help=HELP)
@click.argument("before")
@click.argument("now")
@click.option("signals", "--signals", multiple=True, metavar="NAME[,NAME]", help="Only these signals.")
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True,
              help="False ones among the signals said to have changed, on average.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=2), default=5000, show_default=True,
              help="At most so many traces a side, chosen at random.")  # fmt: skip
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Of files, the rows with this value.")
@click.option("--where-before", multiple=True, metavar="COLUMN=VALUE", help="The same of BEFORE alone.")
@click.option("--where-now", multiple=True, metavar="COLUMN=VALUE", help="The same of NOW alone.")
@click.option("--segment", multiple=True, metavar="LABEL=VALUE",
              help="Of either, traces with this label: tenant, model, service, labels.NAME …")  # fmt: skip
@click.option("maps", "--map", multiple=True, metavar="TARGET=COLUMN",
              help="Of files, a field and its column, as in import; 'auto' recognises the rest.")  # fmt: skip
@click.option("sets", "--set", multiple=True, metavar="TARGET=VALUE", help="Of files, a field's value in all rows.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that stands alone.")
@click.option("form", "--format", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--fail-on-drift", is_flag=True, help="Exit with 1 when a signal changed, as a check in CI.")
@click.pass_context
def compare_command(context: click.Context, /, before: str, now: str, **asked: Any) -> None:
    wanted = wanted_signals(asked["signals"])
    sides = place_of(before), place_of(now)
    try:
        found = compared(sides, wanted, asked)
    except DriftwardenError as error:
        raise click.UsageError(str(error), context) from error
    if asked["html"] is not None:
        from monitor.comparing import page

        asked["html"].write_text(page(found), encoding="utf-8")
    show(found, asked["form"])
    if asked["html"] is not None:
        click.echo(f"page: {asked['html']}", err=True)
    if asked["fail_on_drift"] and found.changed:
        context.exit(1)


def wanted_signals(told: tuple[str, ...]) -> tuple[str, ...] | None:
    """The signals by name, each of which there must be."""
    names = tuple(name.strip() for text in told for name in text.split(",") if name.strip())
    for name in names:
        if name not in KINDS:
            raise click.BadParameter(f"no signal {name!r}{suggestion(name, list(KINDS))}", param_hint="--signals")
    return names or None


def compared(sides: tuple[Place, Place], wanted: tuple[str, ...] | None, asked: dict[str, Any]) -> Comparison:
    """Read both sides and compare them."""
    from monitor.comparing import compare

    read = []
    for place, own in zip(sides, (asked["where_before"], asked["where_now"]), strict=True):
        choice = Choice(
            maps=asked["maps"], sets=asked["sets"], where=(*asked["where"], *own), segment=asked["segment"],
            limit=asked["limit"], seed=asked["seed"], signals=wanted,
        )  # fmt: skip
        read.append(given(place, f"{place} ({', '.join(own)})" if own else str(place), choice))
    return compare(read[0], read[1], alpha=asked["alpha"], signals=wanted, seed=asked["seed"])


def show(found: Comparison, form: Form) -> None:
    """To standard output."""
    if form == "json":
        sys.stdout.write(msgspec.json.encode(plain(found)).decode() + "\n")
        return
    from monitor.cli.comparison import show_comparison

    show_comparison(found)


def plain(found: Comparison) -> dict[str, Any]:
    """The comparison as it is encoded, with p and e beside their logs; what no double holds is null there."""
    told: dict[str, Any] = msgspec.to_builtins(found)
    for finding in told["findings"]:
        for name in ("p", "e", "adjusted"):
            log = finding[f"log_{name}"]
            finding[name] = math.exp(log) if abs(log) < 700 else None
    return told
