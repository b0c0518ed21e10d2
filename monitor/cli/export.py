"""Stored answers as data for fine-tuning."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

import click

MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])
# Sorting a year of traces is one step of a query.
STEP = timedelta(hours=1)

Command = TypeVar("Command", bound=Callable[..., Any])


def common(command: Command) -> Command:
    """The options of every export."""
    for option in reversed((
        click.option("--since", type=MOMENT, help="Traces from then on, with zone."),
        click.option("--until", type=MOMENT, help="Traces before."),
        click.option("--segment", multiple=True, metavar="LABEL=VALUE",
                     help="Of these: build, model, prompt_template, tenant, environment, service or labels.NAME."),
        click.option("--out", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default=Path("-"),
                     help="The file to write; - is standard output, as without it."),
        click.option("--limit", type=click.IntRange(1), help="At most so many lines."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.group()
def export() -> None:
    """Write stored answers as JSON lines for fine-tuning."""


@export.command()
@common
@click.option(
    "--per-question",
    type=click.IntRange(1, 1000),
    default=4,
    show_default=True,
    help="Pairs of one question, by labels, and again by a score.",
)
@click.option("--by-score", metavar="NAME", help="Compare answers to one question by this score too, such as risk.")
@click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.3,
    show_default=True,
    help="How much worse the rejected answer's score is at least.",
)
def preferences(*, per_question: int, by_score: str | None, margin: float, **given: Any) -> None:  # fmt: skip
    """Pairs of a chosen and a rejected answer to the same prompt and context, as TRL's DPOTrainer takes them.

    Of corrections: what people wrote against the answer they wrote it for. Of labels: answers that people called good
    (thumb up, rating 4 or 5, label) against those they called bad. With --by-score: the best against the worst by that
    score, calibrated where it is, never against what people said. The same traces give the same file.
    """
    from monitor.exporting import Rules
    from monitor.exporting import preferences as pairs
    from monitor.model.scores import NAMES

    if by_score is not None and by_score not in (*NAMES, "judge"):
        raise click.UsageError(f"--by-score: expected one of {', '.join((*NAMES, 'judge'))}, got {by_score!r}")
    counts: Counter[str] = Counter()
    rules = Rules(per_question, by_score, margin)
    written = write(lambda reader, wanted: pairs(reader, wanted, rules, counts), **given)
    told(f"{written} pair{'s' * (written != 1)}", counts)


@export.command()
@common
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="NAME=VALUE",
    default=("risk=0.5", "grounding=0.5"),
    show_default=True,
    help="From which value on a score speaks against an answer; again for further ones.",
)
@click.option(
    "--only",
    "flags",
    multiple=True,
    type=click.Choice(["score", "label", "guard"]),
    help="What may speak against an answer; all three unless given.",
)
def flagged(*, scores: tuple[str, ...], flags: tuple[str, ...], **given: Any) -> None:  # fmt: skip
    """Answers with a high risk, sentences that the context does not hold, a bad label, or a guard that stopped them.

    Each with its messages, response, context, scores, flagged spans and claims, label, correction, guard and build.
    """
    from monitor.exporting import FLAGS
    from monitor.exporting import flagged as rows

    counts: Counter[str] = Counter()
    written = write(
        lambda reader, wanted: rows(
            reader, wanted, scores=dict(map(bound, scores)), flags=flags or FLAGS, counts=counts
        ),
        **given,
    )
    told(f"{written} flagged trace{'s' * (written != 1)}", counts)


def bound(text: str) -> tuple[str, float]:
    from monitor.model.scores import NAMES

    name, _, value = text.partition("=")
    try:
        least = float(value)
    except ValueError:
        least = -1.0
    if name not in (*NAMES, "judge") or not 0 <= least <= 1:
        raise click.UsageError(f"--score: expected NAME=VALUE with a score and 0 to 1, got {text!r}")
    return name, least


def write(
    rows_of: Callable[[Any, Any], Generator[Mapping[str, Any]]],
    *,
    since: datetime | None,
    until: datetime | None,
    segment: tuple[str, ...],
    out: Path,
    limit: int | None,
) -> int:
    """Write the rows as they come; how many."""
    import msgspec

    from monitor.exporting import Wanted
    from monitor.model.segment import Segment
    from monitor.storage.reader import PostgresReader

    if wrong := [pair for pair in segment if "=" not in pair]:
        raise click.UsageError(f"--segment: expected LABEL=VALUE, got {wrong[0]!r}")
    pairs = dict(pair.split("=", 1) for pair in segment)
    wanted = Wanted(since, until, Segment.of(**pairs))
    count = 0
    with database() as engine, opened(out) as file, progress() as advance:
        rows = rows_of(PostgresReader(engine, timeout=STEP), wanted)
        with closing(rows):
            for row in islice(rows, limit):
                file.write(msgspec.json.encode(row) + b"\n")
                count += 1
                advance(count)
    return count


@contextmanager
def database() -> Iterator[Any]:
    from monitor import wiring

    engine = wiring.engine(wiring.settings())
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def opened(out: Path) -> Iterator[IO[bytes]]:
    """The file to write to; under its name it is there once it is whole."""
    if str(out) == "-":
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # who reads has enough; Python would try to flush once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            yield file
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(out)


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """A line on a terminal that counts; how many there will be, only the database could tell by making them."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed} written"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("export", total=None)
        yield lambda count: bar.update(task, completed=count)


def told(what: str, counts: Counter[str]) -> None:
    parts = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
    click.echo(f"{what} written{f' ({parts})' if parts else ''}", err=True)
