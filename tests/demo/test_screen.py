from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from monitor.demo.crowd import Outcome
from monitor.demo.findings import Bar, Progress, Reference
from monitor.demo.screen import Lines, Moving, Picture, drawn, news, opened

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REFERENCE = Reference(traces=300, segments=5)
QUIET = Bar("prompt.characters", -0.4, drifted=False, reference=86.0, now=85.0)
RISING = Bar("latency", 0.5, drifted=False, reference=0.505, now=1.2)
DRIFTED = Bar("relation", 2.6, drifted=True, reference=None, now=None)
HALF = Progress(
    stored=500, judged=400, verdicts=64, until=NOON, reference=REFERENCE, bars=(DRIFTED, RISING, QUIET)
)  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(picture: Picture, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(drawn(picture))
    return [line.rstrip() for line in capture.get().splitlines()]


OUTCOMES: Mapping[Outcome, int] = {"right": 60, "wrong": 20}


def picture(asked: int, progress: Progress) -> Picture:
    return Picture("At night somebody rolls out an int4 build.", asked, OUTCOMES, progress)


def test_the_picture_has_the_act_counts_answers_and_evidence_in_eighty_columns() -> None:
    assert printed(picture(600, HALF), 80) == [
        "",
        " At night somebody rolls out an int4 build.",
        " asked 600  stored 500  judged 400",
        " answers: right 75 %, wrong 25 %",
        " evidence of a change, all traffic, until 12:00 UTC (100 % alarms)",
        " relation               ████████████████████████ drifted",
        " latency                ████████████░░░░░░░░░░░░    50 % 0.505 → 1.2",
        " prompt.characters      ░░░░░░░░░░░░░░░░░░░░░░░░     0 % 86 → 85",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_the_picture_is_wider_than_the_terminal(width: int) -> None:
    lines = printed(picture(20_000, replace(HALF, stored=20_000, judged=19_999)), width)
    assert len(lines) == 8
    assert max(map(len, lines)) <= width


def test_before_there_is_a_reference_the_picture_says_so() -> None:
    assert printed(picture(0, Progress()), 80)[-1] == " reference: being learned from the first traces"


def test_lines_tell_each_two_hundred_questions_once_and_the_reference_when_it_is_there() -> None:
    first = picture(240, Progress(stored=100))
    learned = picture(390, Progress(stored=350, judged=40, verdicts=16, until=NOON, reference=REFERENCE))
    assert news(None, first) == ["  asked 240, stored 100, judged 0"]
    assert news(first, replace(first, asked=390)) == []
    assert news(first, learned) == ["  reference learned from the first 300 traces, for 5 segments"]
    assert news(learned, picture(400, HALF)) == [
        "  asked 400, stored 500, judged 400; evidence: relation drifted, latency 50 %"
    ]


def test_evidence_of_nothing_is_left_out() -> None:
    calm = replace(HALF, bars=(QUIET,))
    assert news(None, picture(600, calm)) == [
        "  reference learned from the first 300 traces, for 5 segments",
        "  asked 600, stored 500, judged 400",
    ]


def test_what_is_no_terminal_gets_plain_lines() -> None:
    stream = io.StringIO()
    with opened(stream, colour=True) as screen:
        screen.say("x" * 200, "bold red")
        screen.show(picture(240, Progress(stored=100)))
        screen.show(picture(290, Progress(stored=101)))
        screen.settle()
        screen.answer("Which?", "SELECT 1\nFROM [red]", [{"build": "a:[b]", "at": NOON, "mean": 0.12345, "none": None}])
    assert isinstance(screen, Lines)
    lines = stream.getvalue().splitlines()
    assert lines[:5] == ["x" * 200, "  asked 240, stored 100, judged 0", "", "Which?", "  SELECT 1"]
    assert lines[5] == "  FROM [red]"
    assert [part.strip() for part in lines[-1].split("│")] == ["a:[b]", "12:00:00", "0.123", "–"]
    assert all(character.isprintable() for line in lines for character in line)


def test_a_terminal_gets_a_picture_that_stays_where_it_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with opened(stream, colour=True) as screen:
        screen.show(picture(600, HALF))
        screen.say("a page", "bold red")
        screen.settle()
        screen.say("after")
    written = stream.getvalue()
    assert isinstance(screen, Moving)
    assert "\x1b[31m" in written  # what drifted is red
    assert written.rindex("relation") < written.index("after")
    assert "\x1b[?25h" in written  # the cursor is shown again


def test_without_colours_the_picture_still_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with opened(stream, colour=False) as screen:
        screen.show(picture(600, HALF))
    assert isinstance(screen, Moving)
    assert "\x1b[31m" not in stream.getvalue()
    assert "█" in stream.getvalue()


def test_a_terminal_that_can_not_move_its_cursor_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with opened(stream, colour=True) as screen:
        screen.say("hello", "bold")
    assert isinstance(screen, Lines)
    assert stream.getvalue() == "hello\n"
