"""``driftwarden import``: files of prompts and answers become traces."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from monitor.errors import DriftwardenError
from monitor.importing.choosing import chosen, joined
from monitor.importing.converting import Calendar
from monitor.importing.http import HttpSink
from monitor.importing.mapping import Column, Constant, Mapping, columns_of
from monitor.importing.publishing import Pace, Summary, publish
from monitor.importing.reading import estimated_rows, read_rows
from monitor.importing.records import Imported, Options, records
from monitor.importing.row import Row, RowError, suggestion
from monitor.ports import Sink

EXAMPLES = """\b
Examples:
  driftwarden import chats.csv --dry-run
  driftwarden import answers.csv.gz --map prompt=query --map response=answer \\
      --map output_tokens=answer_token --map "tenant='acme'" --start 2025-03-01T00:00:00Z
  driftwarden import log.jsonl --map prompt=messages.-1.content --map response=reply \\
      --map time=created --where env=prod --to http --url http://localhost:8321
  driftwarden import responses.jsonl --join sources.jsonl:source_id \\
      --map prompt=source_info.question --map context=source_info.passages --map auto
  driftwarden import june.parquet --set build=june --shuffle 7 --limit 5000 --rate 200
"""

HELP = f"""Publish the rows of FILE as traces.

FILE is CSV, JSON lines (both may be gzipped) or Parquet. Without --map the usual column names are
recognised, and what was chosen is said. Rows that can't become traces are counted, reported, and written to
--errors; then the exit code is 1.

Rows without a time are spaced by --interval from --start on; without --start they end now, so that importing
the file twice makes other traces. With --start, or with a time column, a second import changes nothing.

{EXAMPLES}"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    file: Path
    maps: tuple[str, ...]
    sets: tuple[str, ...]
    where: tuple[str, ...]
    join: str | None
    limit: int | None
    shuffle: int | None
    start: str | None
    interval: float
    timezone: str | None
    time_format: str | None
    to: Literal["kafka", "http"]
    url: str
    api_key: str | None
    rate: float | None
    errors: Path | None
    dry_run: bool

    @property
    def conditions(self) -> list[tuple[str, str]]:
        return [pair_of(text, "COLUMN=VALUE", "--where") for text in self.where]

    @property
    def calendar(self) -> Calendar:
        try:
            return Calendar(ZoneInfo(self.timezone) if self.timezone else None, self.time_format)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise click.BadParameter(f"no time zone {self.timezone!r}", param_hint="--timezone") from error

    def rows(self) -> Iterator[Row | RowError]:
        """All rows, with the columns of the joined file."""
        rows = read_rows(self.file)
        if self.join is None:
            return rows
        path, colon, key = self.join.rpartition(":")
        if not (path and colon and key):
            raise click.BadParameter(f"expected FILE:KEY, got {self.join!r}", param_hint="--join")
        return joined(rows, Path(path), key)

    def chosen(self) -> Iterator[Row | RowError]:
        return chosen(self.rows(), where=self.conditions, shuffle=self.shuffle, limit=self.limit)

    def counted(self) -> int:
        """How many rows are chosen, by reading the file once."""
        return sum(1 for _ in chosen(self.rows(), where=self.conditions, shuffle=None, limit=self.limit))


def pair_of(text: str, form: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals):
        raise click.BadParameter(f"expected {form}, got {text!r}", param_hint=option)
    return name.strip(), value


def mapping_for(asked: Asked, sample: Sequence[Row]) -> Mapping:
    """The rules, which are enough to make a trace of a row."""
    mapping = rules_for(asked, sample)
    mapping.check(columns_of(sample))
    return mapping


def rules_for(asked: Asked, sample: Sequence[Row]) -> Mapping:
    """The rules that were given, those of the usual names, and the constants."""
    columns = columns_of(sample)
    for column, _ in asked.conditions:
        if not {column, column.split(".")[0]} & set(columns):
            raise click.BadParameter(f"no column {column!r}{suggestion(column, columns)}", param_hint="--where")
    mapping = Mapping.parse([text for text in asked.maps if text != "auto"])
    for name, value in (pair_of(text, "TARGET=VALUE", "--set") for text in asked.sets):
        mapping = mapping.plus(name, Constant(value))
    if not asked.maps or "auto" in asked.maps:
        mapping = mapping.guessed(sample, asked.calendar)
    return mapping


def options_for(asked: Asked, mapping: Mapping, now: datetime) -> Options:
    interval = timedelta(seconds=asked.interval)
    if asked.start is not None:
        start = instant_of(asked.start)
    elif ("time",) in mapping.paths:
        start = now
    else:
        start = now - interval * asked.counted()
    return Options(asked.file.name, now, start, interval, asked.calendar)


def instant_of(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"expected ISO 8601, got {text!r}", param_hint="--start") from error
    if found.tzinfo is None:
        raise click.BadParameter(f"{text!r} names no time zone; write {text}Z", param_hint="--start")
    return found


def described(mapping: Mapping, sample: Sequence[Row]) -> str:
    used = {rule.origin.name.split(".")[0] for rule in mapping.rules if isinstance(rule.origin, Column)}
    unused = [column for column in columns_of(sample) if column not in used]
    rest = f"; not used: {', '.join(unused[:20])}" if unused else ""
    return f"mapping: {mapping}{rest}"


def shown(made: Iterator[Imported | RowError], limit: int = 3) -> bool:
    """Print the first records as JSON; whether all of them could be made."""
    good = True
    for item in islice(made, limit):
        if isinstance(item, RowError):
            good = False
            click.echo(f"row {item.number}: {item.message}", err=True)
        else:
            click.echo(msgspec.json.format(item.value, indent=2).decode())
    return good


def error_line(error: RowError) -> bytes:
    line = {"row": error.number, "error": error.message, "values": error.values}
    try:
        return msgspec.json.encode(line, enc_hook=str) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode({**line, "values": repr(error.values)}) + b"\n"


def sink_for(asked: Asked) -> Sink:
    if asked.to == "http":
        return HttpSink(asked.url, api_key=asked.api_key)
    from monitor import wiring  # only here, so that --help and --to http need no Kafka client

    return wiring.sink(wiring.settings())


def published(made: Iterator[Imported | RowError], sink: Sink, asked: Asked, total: int | None) -> Summary:
    """Publish with a progress bar on the terminal and the failed rows in the errors file."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(), console=Console(stderr=True),
    )  # fmt: skip
    errors: BinaryIO | None = asked.errors.open("wb") if asked.errors else None
    with bar:
        task = bar.add_task(asked.file.name, total=total, speed="")

        def on_row(item: Imported | RowError) -> None:
            if errors is not None and isinstance(item, RowError):
                errors.write(error_line(item))
            rate = bar.tasks[task].speed
            bar.update(task, advance=1, speed=f"{rate:,.0f} traces/s" if rate else "")

        try:
            return publish(made, sink, on_row, Pace(asked.rate))
        finally:
            if errors is not None:
                errors.close()


def run(asked: Asked) -> bool:
    """Import as asked; whether every row went."""
    now = datetime.now(UTC)
    sample = [row for row in islice(asked.rows(), 1000) if isinstance(row, Row)]
    mapping = mapping_for(asked, sample)
    options = options_for(asked, mapping, now)
    click.echo(described(mapping, sample), err=True)
    made = records(asked.chosen(), mapping, options)
    if asked.dry_run:
        return shown(made)
    total = None if asked.where else min(estimated_rows(asked.file), asked.limit or sys.maxsize)
    sink = sink_for(asked)
    try:
        summary = published(made, sink, asked, total)
    finally:
        sink.close()
    return reported(summary, sink)


def reported(summary: Summary, sink: Sink) -> bool:
    """Say what became of the rows; whether every one of them is stored or on its way."""
    for error in summary.errors:
        click.echo(f"row {error.number}: {error.message}", err=True)
    if summary.failed > len(summary.errors):
        click.echo(f"… and {summary.failed - len(summary.errors):,} more; all of them with --errors FILE", err=True)
    click.echo(str(summary))
    if not isinstance(sink, HttpSink):
        return summary.failed == 0
    for rejected in sink.rejections:
        click.echo(f"rejected: {rejected.reason}: {rejected.message}", err=True)
    click.echo(f"The sidecar stored {sink.stored:,}, had {sink.repeats:,} already, rejected {sink.rejected:,}.")
    return summary.failed == sink.rejected == 0


@click.command("import", help=HELP, short_help="Publish a file of prompts and answers as traces.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "maps",
    "--map",
    multiple=True,
    metavar="TARGET=COLUMN",
    help="A field of the trace and its column, or 'text', @row, @file; 'auto' recognises the rest.",
)
@click.option("sets", "--set", multiple=True, metavar="TARGET=VALUE", help="A field with one value for all rows.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Take only rows with this value.")
@click.option("--join", metavar="FILE:KEY", help="Add the columns of a second, small file by a key column of both.")
@click.option("--limit", type=click.IntRange(min=0), help="Take at most this many rows.")
@click.option("--shuffle", type=click.IntRange(min=0), metavar="SEED", help="Take rows in random order; in memory.")
@click.option("--start", metavar="ISO", help="Time of the first row, where rows have none.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between rows, where rows have none.",
)
@click.option("--timezone", metavar="NAME", help="Zone of times that name none, such as UTC or Europe/Paris.")
@click.option("--time-format", metavar="PATTERN", help="How times are written, as in strptime.")
@click.option("--to", type=click.Choice(["kafka", "http"]), default="kafka", show_default=True)
@click.option("--url", default="http://127.0.0.1:8321", show_default=True, help="The sidecar, for --to http.")
@click.option("--api-key", envvar="DRIFTWARDEN_API_KEY", help="Bearer token for --to http.", show_envvar=True)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most this many traces per second.")
@click.option("--errors", type=click.Path(dir_okay=False, path_type=Path), help="Write rows that fail here (JSONL).")
@click.option("--dry-run", is_flag=True, help="Print the first 3 records and publish nothing.")
@click.pass_context
def import_command(context: click.Context, /, **asked: Any) -> None:
    try:
        good = run(Asked(**asked))
    except DriftwardenError as error:
        raise click.ClickException(str(error)) from error
    if not good:
        context.exit(1)
