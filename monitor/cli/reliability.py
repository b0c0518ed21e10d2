"""A page of reliability plots: how often answers were bad, by how likely it was said to be."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from detectors.calibration import Bin
from monitor.calibrating import Report, described

SIZE, EDGE = 320, 40
STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2em;color:#222}figure{display:inline-block;margin:0 2em 2em 0}"
    "figcaption{max-width:400px}.before{fill:none;stroke:#b55}.after{fill:#27a;stroke:#27a}text{font-size:11px;fill:#555}"
)


def page(reports: Sequence[Report]) -> str:
    """HTML that needs nothing else: a plot per score, hollow as it is and filled as calibrated."""
    figures = "".join(map(figure, reports))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Calibration</title><style>{STYLE}</style>"
        f"<h1>Calibration</h1><p>Across: the probability told. Up: the share that people called bad. On the line"
        f" the two agree. Hollow: the score as it is; filled: calibrated, each label by a fit that left it out.</p>"
        f"{figures}"
    )


def figure(report: Report) -> str:
    fitted = report.fitted
    ticks = "".join(
        f'<text x="{across(at):.1f}" y="{SIZE + EDGE + 16}" text-anchor="middle">{at:g}</text>'
        f'<text x="{EDGE - 6}" y="{up(at) + 4:.1f}" text-anchor="end">{at:g}</text>'
        for at in (0, 0.25, 0.5, 0.75, 1)
    )
    line = f'<path d="M{across(0)} {up(0)}L{across(1)} {up(1)}" stroke="#aaa" fill="none"/>'
    frame = f'<rect x="{EDGE}" y="{EDGE}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#ccc"/>'
    drawn = f'<g class="before">{dots(report.before)}</g><g class="after">{dots(report.after)}</g>'
    whole = SIZE + 2 * EDGE
    return (
        f'<figure><svg viewBox="0 0 {whole} {whole}" width="{whole}" role="img">{frame}{line}{ticks}{drawn}</svg>'
        f"<figcaption><b>{escape(fitted.score)}</b>: {fitted.calibration.labels} labels, {fitted.calibration.kind}"
        f" ({described(fitted.calibration)}). Expected calibration error {fitted.error_before:.3f} →"
        f" {fitted.error:.3f}, Brier {fitted.brier:.3f}.</figcaption></figure>"
    )


def dots(bins: Sequence[Bin]) -> str:
    return "".join(f'<circle cx="{across(b.expected):.1f}" cy="{up(b.observed):.1f}" r="4"/>' for b in bins)


def across(share: float) -> float:
    return EDGE + SIZE * share


def up(share: float) -> float:
    return EDGE + SIZE * (1 - share)
