"""The figures of the page, as SVG; matplotlib is of the group ``bench`` of development dependencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drift.results import Row, load

_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0")


def draw(folder: Path, report: Callable[[str], None]) -> list[str]:
    """Draw what there are results of; the names of the files. Without matplotlib there are none, and that is told."""
    try:
        import matplotlib as mpl
    except ImportError:
        report("matplotlib is not installed: no figures (pip install matplotlib)")
        return []
    mpl.use("svg")
    # The same results give the same file.
    mpl.rcParams.update({"svg.hashsalt": "drift", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    names = []
    for part, make in (("arl", _arl), ("delay", _delay)):
        if (result := load(part, folder)) is not None:
            figure = make(result["rows"])
            figure.savefig(folder / f"{part}.svg", metadata={"Date": None}, bbox_inches="tight")
            names.append(f"{part}.svg")
    return names


def _arl(rows: Sequence[Row]) -> Any:
    """Achieved over target by law and traffic, with 95 % intervals, at the highest target; the aim is shaded."""
    from matplotlib.figure import Figure

    # The highest target that every law has.
    target = max(row["target"] for row in rows if row["law"] == rows[-1]["law"])
    mine = [row for row in rows if row["target"] == target]
    laws, traffics = (list(dict.fromkeys(row[key] for row in mine)) for key in ("law", "traffic"))
    figure = Figure(figsize=(7.5, 0.5 * len(laws) + 1.2))
    axes = figure.subplots()
    axes.axvspan(0.7, 2.0, color="#eeeeee")
    axes.axvline(1.0, color="#999999", linewidth=0.8)
    for row in mine:
        place = laws.index(row["law"]) + 0.18 * (traffics.index(row["traffic"]) - 1.5)
        low, high = row["interval"]
        colour = _COLOURS[traffics.index(row["traffic"])]
        axes.plot([low, high or 1e3], [place, place], color=colour, linewidth=1.2)
        if row["ratio"] is None:
            axes.plot([low], [place], marker=">", color=colour)
        else:
            axes.plot([row["ratio"]], [place], marker="o", markersize=4, color=colour)
    for traffic, colour in zip(traffics, _COLOURS, strict=False):
        axes.plot([], [], marker="o", color=colour, label=traffic)
    axes.set(xscale="log", xlim=(3e-3, 3e2), yticks=range(len(laws)), yticklabels=laws)
    axes.invert_yaxis()
    axes.set_xlabel(f"achieved / target ARL at {target:,.0f} panes (▸: no alarm, at least this)")
    axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure


def _delay(rows: Sequence[Row]) -> Any:
    """Traces to detection of embeddings: ours and the best offline test told the change time."""
    from matplotlib.figure import Figure

    mine = [row for row in rows if row["kind"] == "vector"]
    figure = Figure(figsize=(7.5, 0.22 * len(mine) + 1.2))
    axes = figure.subplots()
    labels = [f"{row['law']}, {row['change']}" for row in mine]
    for place, row in enumerate(mine):
        ends = [row["best_delay"], row["delay"]]
        if None not in ends:
            axes.plot(ends, [place, place], color="#bbbbbb", linewidth=1.0)
        for value, colour, marker in zip(ends, ("#999999", _COLOURS[0]), ("|", "o"), strict=True):
            if value is None:
                axes.plot([2.5e4], [place], marker=">", color=colour, markersize=4)
            else:
                axes.plot([value], [place], marker=marker, color=colour, markersize=4)
    axes.plot([], [], "o", color=_COLOURS[0], label="ours")
    axes.plot([], [], "|", color="#999999", label="best offline test, told the change time")
    axes.set(xscale="log", xlim=(10, 3e4), yticks=range(len(labels)), yticklabels=labels)
    axes.invert_yaxis()
    axes.set_xlabel("median traces to detection at ARL 10⁴ panes (▸: not found)")
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure
