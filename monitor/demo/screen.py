"""What a person sees: a live picture on a terminal, lines elsewhere. Both show the same facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.demo.crowd import Outcome
from monitor.demo.findings import Bar, Progress

BARS = 8
PLAIN_WIDTH = 120
STEP = 200


@dataclass(frozen=True, slots=True)
class Picture:
    """All that changes while one watches: the act, the questions so far, what came of the act's, and what was found."""

    act: str
    asked: int
    outcomes: Mapping[Outcome, int]
    progress: Progress


class Screen(Protocol):
    def say(self, sentence: str, style: str = "") -> None:
        """A line that stays."""

    def show(self, picture: Picture) -> None:
        """How things stand now."""

    def settle(self) -> None:
        """Nothing more is to be shown: what is said next stands below the picture."""

    def answer(self, question: str, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """A question, how it is asked in SQL, and its answer."""

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows side by side."""


@contextmanager
def opened(stream: TextIO, *, colour: bool) -> Iterator[Screen]:
    """A live screen where the stream is a terminal that can move its cursor, else one of plain lines."""
    console = Console(file=stream, no_color=not colour or None, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal or not stream.isatty():
        yield Lines(Console(file=stream, force_terminal=False, color_system=None, width=PLAIN_WIDTH, highlight=False))
        return
    moving = Moving(console)
    try:
        yield moving
    finally:
        moving.settle()


@dataclass(slots=True)
class Moving:
    """Repaints the picture below the lines that stay, until it settles and stays too."""

    console: Console
    live: Live | None = field(default=None)

    def say(self, sentence: str, style: str = "") -> None:
        said(self.console, sentence, style)

    def show(self, picture: Picture) -> None:
        if self.live is None:
            self.live = Live(console=self.console, refresh_per_second=4, vertical_overflow="visible")
            self.live.start()
        self.live.update(drawn(picture), refresh=True)

    def settle(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def answer(self, question: str, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        answered(self.console, question, sql, rows)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        answered(self.console, title, "", rows)


@dataclass(slots=True)
class Lines:
    """Says what is new about the picture, in lines without control characters."""

    console: Console
    last: Picture | None = field(default=None)

    def say(self, sentence: str, style: str = "") -> None:
        said(self.console, sentence, style)

    def show(self, picture: Picture) -> None:
        told = news(self.last, picture)
        for sentence in told:
            said(self.console, sentence, "")
        if told:
            self.last = picture

    def settle(self) -> None:
        """Lines are settled as they come."""

    def answer(self, question: str, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        answered(self.console, question, sql, rows)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        answered(self.console, title, "", rows)


def said(console: Console, sentence: str, style: str) -> None:
    console.print(Text(sentence, style=style), soft_wrap=not console.is_terminal)


def news(last: Picture | None, now: Picture) -> list[str]:
    """What to say of a picture after the last one that something was said of: each 200 questions, and the reference.

    >>> news(None, Picture("", 210, {}, Progress(stored=120)))
    ['  asked 210, stored 120, judged 0']
    >>> news(Picture("", 210, {}, Progress()), Picture("", 290, {}, Progress(stored=150)))
    []
    """
    before = last.progress if last is not None else Progress()
    progress, told = now.progress, []
    if progress.reference is not None and before.reference is None:
        told.append(f"  {learned(progress)}")
    if now.asked // STEP > (0 if last is None else last.asked // STEP):
        counts = f"  asked {now.asked:,}, stored {progress.stored:,}, judged {progress.judged:,}"
        leaning = [f"{bar.signal} {percent(bar)}" for bar in progress.bars[:4] if bar.evidence >= 0.01 or bar.drifted]
        told.append(f"{counts}; evidence: {', '.join(leaning)}" if leaning else counts)
    return told


def learned(progress: Progress) -> str:
    found = progress.reference
    if found is None:
        return "reference: being learned from the first traces"
    return f"reference learned from the first {found.traces:,} traces, for {found.segments} segments"


def drawn(picture: Picture) -> RenderableType:
    """The picture for a terminal, some twelve lines of at most eighty characters."""
    progress = picture.progress
    counts = f"asked {picture.asked:,}  stored {progress.stored:,}  judged {progress.judged:,}"
    parts: list[RenderableType] = [Text(), Text(picture.act, "bold"), Text(counts), Text(parted(picture.outcomes))]
    if not progress.bars or progress.until is None:
        return Padding(Group(*parts, Text(learned(progress))), (0, 0, 0, 1))
    parts += [Text(f"evidence of a change, all traffic, until {clock(progress.until)} (100 % alarms)"), bars(progress)]
    return Padding(Group(*parts), (0, 0, 0, 1))


def parted(outcomes: Mapping[Outcome, int]) -> str:
    """What came of the act's questions, in parts of a bar.

    >>> parted({"right": 3, "wrong": 1})
    'answers: right 75 %, wrong 25 %'
    """
    total = sum(outcomes.values())
    shares = [f"{name} {100 * count / total:.0f} %" for name, count in sorted(outcomes.items()) if count]
    return f"answers: {', '.join(shares) or 'none yet'}"


def bars(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=22)
    grid.add_column(width=24)
    grid.add_column(justify="right", width=7)
    grid.add_column(width=20)
    for bar in progress.bars[:BARS]:
        style = "red" if bar.drifted else "yellow" if bar.evidence > 0.5 else "green"
        grid.add_row(bar.signal, Text(gauge(bar.evidence, 24), style), percent(bar), moved(bar))
    return grid


def gauge(share: float, width: int) -> str:
    """A bar that reads without colours too.

    >>> gauge(0.5, 8), gauge(-1.0, 3), gauge(2.6, 3)
    ('████░░░░', '░░░', '███')
    """
    full = round(width * min(max(share, 0.0), 1.0))
    return "█" * full + "░" * (width - full)


def percent(bar: Bar) -> str:
    """Evidence as a share of what pages; evidence for "nothing changed" reads as none.

    >>> percent(Bar("latency", -0.2, False, None, None)), percent(Bar("latency", 0.417, False, None, None))
    ('0 %', '42 %')
    """
    return "drifted" if bar.drifted else f"{max(bar.evidence, 0.0):.0%}".replace("%", " %")


def moved(bar: Bar) -> str:
    return "" if bar.reference is None or bar.now is None else f"{bar.reference:.3g} → {bar.now:.3g}"


def clock(time: datetime) -> str:
    return f"{time:%H:%M} UTC"


def answered(console: Console, question: str, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
    console.print()
    console.print(Text(question, style="bold"), soft_wrap=not console.is_terminal)
    for line in sql.splitlines():
        console.print(Text(f"  {line}", style="dim"), soft_wrap=not console.is_terminal)
    if not rows:
        console.print("  no rows")
        return
    table = Table(show_edge=False, pad_edge=False, header_style="")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row.values()))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return f"{value:%H:%M:%S}"
        case float():
            return f"{value:.3g}"
        case _:
            return " ".join(str(value).split())
