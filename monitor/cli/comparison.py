"""A comparison on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import takewhile

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.cli.output import PIPE_COLUMNS
from monitor.comparing.page import evidence, number, probability, sized, span
from monitor.model.comparison import Comparison, Exchange, Finding, Side

SHOWN = 220  # characters of a text
SIGNALS, PAIRS = 3, 2  # whose examples are shown, and how many of each


def show_comparison(found: Comparison) -> None:
    """One sentence, the sides, a row for each signal, and examples of what changed."""
    console = Console(highlight=False) if sys.stdout.isatty() else Console(width=PIPE_COLUMNS, highlight=False)
    console.print(Text(found.sentence, style="bold"))
    console.print(side("before", found.before))
    console.print(side("now", found.now))
    console.print()
    console.print(table(found))
    for finding in found.changed[:SIGNALS]:
        examples(console, finding)
    if len(found.changed) > SIGNALS:
        console.print(f"\nexamples of {len(found.changed) - SIGNALS} more signals: --html FILE or --format json")


def side(kind: str, told: Side) -> Text:
    sessions = "" if told.tested == told.traces else f" ({told.tested:,} tested, one of each session)"
    return Text(f"{kind:6} {told.name}: {told.traces:,} traces{sessions}{span(told)}")


def table(found: Comparison) -> Table:
    made = Table(show_edge=False, pad_edge=False, header_style="bold")
    for name in ("signal", "verdict", "before → now", "difference (95 % interval)"):
        made.add_column(name, overflow="fold")
    for name in ("p", "adjusted", "e", "n before", "n now"):
        made.add_column(name, justify="right", no_wrap=True)
    for finding in found.findings:
        made.add_row(*row(finding))
    return made


def row(finding: Finding) -> list[Text]:
    style = {"changed": "bold red", "no evidence": "", "too few traces": "dim"}[finding.verdict]
    means = "" if finding.mean_before is None else f"{number(finding.mean_before)} → {number(finding.mean_now)}"
    sizes = "\n".join(f"{each.name} {sized(each)}" for each in finding.estimates)
    # What did not change needs no more than one size.
    sizes = sizes if finding.verdict == "changed" else sizes.partition("\n")[0]
    few = finding.verdict == "too few traces"
    return [
        Text(finding.signal),
        Text(finding.verdict, style=style),
        Text(means),
        Text(sizes),
        Text("–" if few else probability(finding.log_p)),
        Text("–" if few else probability(finding.log_adjusted)),
        Text("–" if few else evidence(finding.log_e)),
        Text(f"{finding.n_before:,}"),
        Text(f"{finding.n_now:,}"),
    ]


def examples(console: Console, finding: Finding) -> None:
    console.print()
    console.print(Text(finding.told, style="bold"))
    shown = [each for pair in finding.pairs[:PAIRS] for each in (pair.before, pair.now) if each is not None]
    same = alike([each.prompt for each in shown])
    for pair in finding.pairs[:PAIRS]:
        if pair.before is not None:
            console.print(exchange("before", pair.before, same, "blue"))
        console.print(exchange("now", pair.now, same, "red"))


def alike(prompts: Sequence[str]) -> int:
    """How many characters all prompts begin with, up to the end of a word; a few are not worth leaving out.

    >>> alike(["Answer the question. Where is it?", "Answer the question. Who is it?"])
    21
    """
    columns = zip(*prompts, strict=False)
    same = "".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
    end = same.rfind(" ") + 1
    return end if end >= 20 and len(set(prompts)) > 1 else 0


def exchange(kind: str, shown: Exchange, same: int, colour: str) -> Text:
    value = f" [{shown.value}]" if shown.value else ""
    prompt = f"…{shown.prompt[same:]}" if same else shown.prompt
    line = Text(f"  {kind:6}", style=colour)
    line.append(f"{value} {shortened(prompt, SHOWN // 2)} ", style="dim")
    line.append(f"⇒ {shortened(shown.response, SHOWN)}", style="")
    return line


def shortened(text: str, limit: int) -> str:
    """On one line, cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"
