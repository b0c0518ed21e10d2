"""What `drift compare` and `report` are given: a file, a build, a range of time, each as scored traces."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import islice
from pathlib import Path

import click

from monitor.cli.import_ import Asked, described, pair_of, rules_for
from monitor.codec import Limits, decode
from monitor.errors import Permanent
from monitor.importing.mapping import Constant, Mapping, columns_of
from monitor.importing.reading import format_of
from monitor.importing.records import Options, records
from monitor.importing.row import Row, RowError, suggestion
from monitor.model.comparison import Given
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Record, Reject
from monitor.model.scored import Scored, joined
from monitor.model.segment import Segment, label_value
from monitor.model.signal import KINDS

BATCH = 256
VECTORS = frozenset(name for name, kind in KINDS.items() if kind in ("vector", "relation"))


@dataclass(frozen=True, slots=True)
class Build:
    """All stored traces of one deployment."""

    name: str

    def __str__(self) -> str:
        return f"build {self.name}"


@dataclass(frozen=True, slots=True)
class Range:
    """Stored traces from ``since`` to before ``until``."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        form = "%Y-%m-%dT%H:%M"
        return f"{self.since:{form}}/{self.until:{form}}"


@dataclass(frozen=True, slots=True)
class File:
    """The rows of a file."""

    path: Path

    def __str__(self) -> str:
        return self.path.name


Place = Build | Range | File


@dataclass(frozen=True, slots=True)
class Choice:
    """How traces are chosen and read.

    Attributes:
        maps: of columns of files, as in `driftwarden import`.
        sets: constants of files.
        where: values of columns of files; of labels of stored traces.
        segment: values of labels of either.
        limit: at most so many traces, chosen at random.
        seed: of that choice.
        signals: those that are wanted; None for all.
    """

    maps: tuple[str, ...]
    sets: tuple[str, ...]
    where: tuple[str, ...]
    segment: tuple[str, ...]
    limit: int
    seed: int
    signals: Collection[str] | None

    @property
    def labels(self) -> dict[str, str]:
        return dict(pair_of(text, "LABEL=VALUE", "--segment") for text in self.segment)


def place_of(text: str) -> Place:
    """What a person means by one side.

    >>> place_of("build:support-7b:fp16-82a1c0"), str(place_of("2026-01-01T00:00/2026-01-02T00:00+01:00"))
    (Build(name='support-7b:fp16-82a1c0'), '2026-01-01T00:00/2026-01-01T23:00')
    """
    if text.startswith("build:"):
        return Build(text.removeprefix("build:"))
    if Path(text).is_file():
        return File(Path(text))
    start, slash, stop = text.partition("/")
    if slash and start[:4].isdigit() and stop[:4].isdigit():
        found = Range(instant(start), instant(stop))
        if found.since >= found.until:
            raise click.UsageError(f"{text}: the range ends before it begins")
        return found
    if looks_like_a_file(text):
        raise click.UsageError(f"there is no file {text!r}")
    return Build(text)


def instant(text: str) -> datetime:
    """An instant in ISO 8601; UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r}: expected a time such as 2026-01-31T12:00") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def looks_like_a_file(text: str) -> bool:
    try:
        format_of(Path(text))
    except Permanent:
        return False
    return True


def given(place: Place, name: str, choice: Choice) -> Given:
    """The traces of one side with their signals."""
    match place:
        case File(path):
            return from_file(path, name, choice)
        case Build(build):
            return Given(name, stored({**choice.labels, "build": build}, [lifetime(build)], choice), timed=True)
        case Range(since, until):
            return Given(name, stored(choice.labels, [(since, until)], choice), timed=True)


def stored(labels: dict[str, str], spans: Sequence[tuple[datetime, datetime]], choice: Choice) -> Scored:
    """Traces of the drift database, as they were scored when they came."""
    from monitor import wiring

    for name, value in (pair_of(text, "LABEL=VALUE", "--where") for text in choice.where):
        labels = {**labels, name: value}
    return wiring.watch_store().sample(Segment.of(**labels), spans, choice.limit)


def lifetime(build: str) -> tuple[datetime, datetime]:
    """From the first to the last trace of a build; a usage error where there is no such build."""
    from monitor import wiring

    builds = {row["build"]: row for row in wiring.reader().rows("SELECT * FROM v_builds ORDER BY last_seen DESC", {})}
    if build not in builds:
        hint = suggestion(build, list(builds)) if builds else "; there are no builds yet"
        raise click.UsageError(f"there is no build {build!r}{hint}")
    return builds[build]["first_seen"], builds[build]["last_seen"] + timedelta(microseconds=1)


def from_file(path: Path, name: str, choice: Choice) -> Given:
    """The rows of a file, scored here and now."""
    from monitor import wiring

    rows, mapping = mapped(path, choice)
    traces, failed = list[Decoded](), list[RowError]()
    for item in decoded(rows, mapping, path):
        if len(traces) == choice.limit:
            break
        if isinstance(item, RowError):
            failed.append(item)
        elif all(label_value(item.trace, label) == value for label, value in choice.labels.items()):
            traces.append(item)
    for error in failed[:3]:
        click.echo(f"{path.name} row {error.number}: {error.message}", err=True)
    if failed:
        click.echo(f"{path.name}: {len(failed):,} rows are left out", err=True)
    if not traces:
        raise click.UsageError(f"{path.name}: no row became a trace")
    scorer = wiring.scorer(wiring.settings(), vectors=choice.signals is None or bool(VECTORS & set(choice.signals)))
    with click.progressbar(
        range(0, len(traces), BATCH), label=f"scoring {path.name}", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as batches:
        parts = [scorer.score(traces[first : first + BATCH]) for first in batches]
    return Given(name, reduce(joined, parts), timed=("time",) in mapping.paths)


def mapped(path: Path, choice: Choice) -> tuple[Asked, Mapping]:
    """What is read of a file, and which column goes where; a model without a column is named after the file."""
    asked = Asked(
        file=path, maps=choice.maps, sets=choice.sets, where=choice.where, join=None, limit=None, shuffle=choice.seed,
        start=None, interval=1.0, timezone="UTC", time_format=None,
        to="http", url="", api_key=None, rate=None, errors=None, dry_run=True,
    )  # fmt: skip
    sample = [row for row in islice(asked.rows(), 1000) if isinstance(row, Row)]
    mapping = rules_for(asked, sample)
    if ("model", "name") not in mapping.paths:
        mapping = mapping.plus("model", Constant(path.stem))
    mapping.check(columns_of(sample))
    click.echo(f"{path.name}: {described(mapping, sample)}", err=True)
    return asked, mapping


def decoded(asked: Asked, mapping: Mapping, path: Path) -> Iterator[Decoded | RowError]:
    """The chosen rows as traces; those without a time are a millisecond apart."""
    now = datetime.now(UTC)
    limits = Limits(max_age=timedelta(days=200 * 365), max_lead=timedelta(days=365))
    options = Options(path.name, now, now - timedelta(days=1), timedelta(milliseconds=1), asked.calendar, limits)
    for made in records(asked.chosen(), mapping, options):
        if isinstance(made, RowError):
            yield made
            continue
        found = decode(Record(Partition("file", 0), made.number, made.value, {}), now, limits)
        yield RowError(made.number, found.message) if isinstance(found, Reject) else found
