"""From labels to probabilities and promises."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from monitor.cli.output import show

MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])


@click.command()
@click.option("--score", "scores", multiple=True, help="Only these scores; all that have labels unless given.")
@click.option("--since", type=MOMENT, help="Labels of traces from then on, with zone.")
@click.option("--until", type=MOMENT, help="Labels of traces before.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Write a page of reliability plots there."
)
@click.option("--dry-run", is_flag=True, help="Say how it would be and store nothing.")
def calibrate(
    scores: tuple[str, ...], since: datetime | None, until: datetime | None, plot: Path | None, dry_run: bool
) -> None:
    """Turn scores into probabilities by what people said of answers.

    The last good or bad that was said of a trace is its label. Under 100 labels only the share of bad answers is
    fitted, under 1,000 Platt's line, from there on a rising curve. The errors told are of labels left out of the fit.
    """
    import numpy as np

    from monitor import wiring
    from monitor.calibrating import FEWEST_LABELS, described, reports
    from monitor.cli.reliability import page

    store = wiring.feedback_store()
    labelled = store.labelled(since=since, until=until)
    found = reports(labelled, scores)
    if not found:
        most = max((int(np.isfinite(values).sum()) for values in labelled.values.values()), default=0)
        raise click.ClickException(
            f"expected at least {FEWEST_LABELS} labelled traces with a score, got {most}: see `driftwarden feedback`"
        )
    if not dry_run:
        for each in found:
            store.calibrated(each.fitted, wiring.clock())
    show(
        (
            {
                "score": each.fitted.score, "labels": each.fitted.calibration.labels,
                "kind": each.fitted.calibration.kind, "fitted": described(each.fitted.calibration),
                "error_before": each.fitted.error_before, "error": each.fitted.error, "brier": each.fitted.brier,
            }
            for each in found
        ),
        "table",
    )  # fmt: skip
    if plot is not None:
        plot.write_text(page(found), encoding="utf-8")
        click.echo(f"plots: {plot}")


@click.command()
@click.argument("score")
@click.option(
    "--missed",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Promise: on average at most this share of bad answers is below the threshold.",
)
@click.option(
    "--clean",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Promise: at least this share of what is below the threshold is good.",
)
@click.option(
    "--delta",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="How often the promise of --clean may fail.",
)
@click.option("--since", type=MOMENT, help="Labels of traces from then on, with zone.")
@click.option("--until", type=MOMENT, help="Labels of traces before.")
def certify(
    score: str, missed: float | None, clean: float | None, delta: float, since: datetime | None, until: datetime | None
) -> None:  # fmt: skip
    """Find the threshold of a score that keeps a promise, and keep it as a certificate.

    It holds for answers like the labelled ones, and is void while an open alert says that the score drifts
    (`driftwarden query "SELECT * FROM v_certificates"`). Where labels are too few, or too many of the answers with low
    scores are bad, there is no threshold, and the command ends with 1.
    """
    from detectors.guarantee import Infeasible
    from monitor import wiring
    from monitor.calibrating import at_most_missed_of, clean_below

    if (missed is None) == (clean is None):
        raise click.UsageError("expected one of --missed and --clean")
    store = wiring.feedback_store()
    labelled = store.labelled(since=since, until=until)
    if missed is not None:
        found = at_most_missed_of(score, labelled, missed)
    else:
        found = clean_below(score, labelled, clean or 0.0, delta=delta)
    if isinstance(found, Infeasible):
        raise click.ClickException(f"infeasible: {found.reason}")
    number = store.certified(found, wiring.clock())
    promise = (
        f"on average at most {missed:.1%} of bad answers score below it"
        if missed is not None
        else f"with {1 - delta:.0%} at least {clean:.1%} of answers below it are good"
    )
    click.echo(f"certificate {number}: {score} ≥ {found.threshold:.4f} is flagged ({found.flagged:.1%}); {promise}")
    click.echo(f"from {found.labels} labels, {found.bad} of them bad")
