"""A policy tried on what was stored."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.output import FORMATS, Format, show

if TYPE_CHECKING:
    from monitor.guard.backtest import Report

MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])


@click.command()
@click.argument("policy", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--since", type=MOMENT, help="Traces from then on, with zone.")
@click.option("--until", type=MOMENT, help="Traces before.")
@click.option("--build", help="Of this deployment alone.")
@click.option("--limit", type=click.IntRange(1), default=10_000, show_default=True, help="The newest so many.")
@click.option("--examples", type=click.IntRange(0, 100), default=3, show_default=True, help="Of each rule.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--fail-on-difference", is_flag=True, help="End with 1 where a live decision comes out otherwise.")
def backtest(
    policy: Path, *, since: datetime | None, until: datetime | None, build: str | None, limit: int, examples: int,
    form: Format, fail_on_difference: bool,
) -> None:  # fmt: skip
    """Say what POLICY would have done to stored traces, before anyone is blocked.

    Each trace is judged as a live one is, by the same code, at both stages and without a deadline. Where a guard had
    decided by the very same rules, both decisions are compared; what people said of answers counts each rule's hits.
    """
    from monitor import wiring

    report = wiring.backtest(policy, where={"since": since, "until": until, "build": build}, limit=limit,
                             examples=examples)  # fmt: skip
    if not report.traces:
        raise click.ClickException("no stored traces in that span")
    show(rows(report), form)
    if form == "table":
        tell(report)
    if fail_on_difference and report.differing:
        click.get_current_context().exit(1)


def rows(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "rule": name, "asked": count.asked, "fired": count.fired,
            "share": count.fired / count.asked if count.asked else 0.0,
            "errors": count.errors, "bad": count.bad, "good": count.good,
            "unmeasured": dict(count.reasons.most_common(3)),
            "examples": [
                {"id": each.id, "tenant": each.tenant, "time": each.time, "score": each.score, "words": each.words}
                for each in count.examples
            ],
        }
        for name, count in report.rules.items()
    ]  # fmt: skip


def tell(report: Report) -> None:
    import numpy as np

    def counted(counts: Any) -> str:
        return ", ".join(f"{verdict} {counts[verdict]}" for verdict in ("allow", "warn", "abstain", "deny"))

    click.echo(f"{report.traces} traces from {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M}")
    click.echo(f"by their modes:         {counted(report.verdicts)}")
    click.echo(f"were all rules enforced: {counted(report.enforced)}")
    middle, late = np.quantile(report.judging_s, [0.5, 0.99])
    click.echo(f"judged in {middle * 1000:.1f} ms (median), {late * 1000:.1f} ms (99 %), alone on one thread")
    if report.bad or report.good:
        click.echo(f"labelled: {report.bad} bad, {report.good} good; columns bad and good count those a rule fired on")
    if report.compared or report.degraded:
        same = report.compared - len(report.differing)
        click.echo(
            f"live decisions by these rules: {same} of {report.compared} the same, {report.degraded} not compared"
            " (not all was measured then)"
        )
        for name, live, now in report.differing[:10]:
            click.echo(f"  {name}: {live} live, {now} now")
