"""Bars as SVG: no script, no style that a strict policy would refuse."""

from __future__ import annotations

from html import escape

from monitor.model.comparison import Bars
from monitor.model.signal import Kind

WIDTH, HEIGHT = 360, 96
FLOOR = 16  # below the bars, for the labels
BEFORE, NOW = "before", "now"  # classes that the page colours


def chart(bars: Bars, kind: Kind) -> str:
    """Both distributions: side by side for labels, one over the other for numbers."""
    if not bars.before:
        return ""
    return label_chart(bars) if kind == "category" else number_chart(bars)


def number_chart(bars: Bars) -> str:
    """Before as filled bars, now as an outline, so that both are seen where they lie on each other."""
    top = max(*bars.before, *bars.now) or 1.0
    step = WIDTH / len(bars.before)
    filled = "".join(
        rectangle(BEFORE, i * step, step, share / top, f"{bars.labels[i]} to {bars.labels[i + 1]}: {share:.1%}")
        for i, share in enumerate(bars.before)
    )
    outline = "".join(
        f"L{i * step:.1f} {y_of(share / top):.1f}L{(i + 1) * step:.1f} {y_of(share / top):.1f}"
        for i, share in enumerate(bars.now)
    )
    path = f'<path class="{NOW}" d="M0 {y_of(0):.1f}{outline}L{WIDTH} {y_of(0):.1f}"/>'
    ends = text(0, bars.labels[0], "start") + text(WIDTH, bars.labels[-1], "end")
    return drawing(filled + path + ends)


def label_chart(bars: Bars) -> str:
    """Two bars for each label."""
    top = max(*bars.before, *bars.now) or 1.0
    step = WIDTH / len(bars.before)
    drawn = []
    for i, (label, before, now) in enumerate(zip(bars.labels, bars.before, bars.now, strict=True)):
        drawn.append(rectangle(BEFORE, (i + 0.1) * step, 0.4 * step, before / top, f"{label} before: {before:.1%}"))
        drawn.append(rectangle(f"{NOW} bar", (i + 0.5) * step, 0.4 * step, now / top, f"{label} now: {now:.1%}"))
        room = max(int(step / 6), 2)
        drawn.append(text((i + 0.5) * step, label if len(label) <= room else f"{label[: room - 1]}…", "middle"))
    return drawing("".join(drawn))


def y_of(height: float) -> float:
    return (HEIGHT - FLOOR) * (1.0 - 0.95 * height)


def rectangle(classes: str, x: float, width: float, height: float, title: str) -> str:
    y = y_of(height)
    return (
        f'<rect class="{classes}" x="{x:.1f}" y="{y:.1f}" width="{max(width - 0.5, 0.5):.1f}"'
        f' height="{max(HEIGHT - FLOOR - y, 0):.1f}"><title>{escape(title)}</title></rect>'
    )


def text(x: float, label: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - 3}" text-anchor="{anchor}">{escape(label)}</text>'


def drawing(inside: str) -> str:
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{inside}</svg>'
