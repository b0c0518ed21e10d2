"""Judging the past again."""

from __future__ import annotations

import click

from monitor.cli.output import FORMATS, Format, show


@click.command()
@click.option(
    "--false-alarms", type=click.FloatRange(0, min_open=True), help="Another budget: false alarms per 30 days."
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def replay(false_alarms: float | None, form: Format) -> None:
    """Judge the stored panes of the baseline in force from a fresh start, and say what would have alarmed when.

    Nothing is stored or sent. Judging is a pure function of the panes, so with the budget of the settings the answer
    is what was stored, as long as panes are kept as they were judged: for a day. Older ones are added up to hours, and
    after a week to days; there an alarm is told at the end of its hour or day.
    """
    from monitor import wiring
    from monitor.judging import Budget
    from monitor.judging import replay as judge_again

    found = wiring.settings()
    store = wiring.watch_store()
    baseline = store.baseline()
    if baseline is None:
        raise click.ClickException("no baseline yet: nothing was judged")
    budget = Budget(false_alarms or found.drift.false_alarms, lagged=found.drift.lagged_days > 0)
    verdicts = judge_again(baseline, store.judged(baseline), pace=found.drift.pace(), budget=budget)
    first: dict[tuple[str, str], dict[str, object]] = {}
    traces: dict[tuple[str, str], float] = {}
    count = 0
    for verdict in verdicts:
        count += 1
        key = (str(verdict.segment), verdict.signal)
        traces[key] = traces.get(key, 0.0) + verdict.n
        if verdict.drifted and key not in first:
            first[key] = {
                "segment": key[0], "signal": key[1], "onset": verdict.onset, "alarmed": verdict.pane,
                "after_traces": int(traces[key]), "effect": verdict.effect.value, "kind": verdict.effect.kind,
            }  # fmt: skip
    click.echo(f"{count} verdicts, at most {budget.false_alarms:g} false alarms in 30 days", err=True)
    show(sorted(first.values(), key=lambda row: str(row["alarmed"])), form)
