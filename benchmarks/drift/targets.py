"""What the engine is meant to reach, and whether it does, from the rows of every part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.drift import ours
from benchmarks.drift.oracle import OMNIBUS
from benchmarks.drift.results import Row, written

PEERS_ARL = 10_000.0  # traces

_IID, _BY_HABIT = (0.9, 1.5), (0.7, 2.0)
_LONGEST: Mapping[float, float] = {1.0: 48.0, 0.2: 100.0, 0.1: 300.0, 0.05: 1_500.0}  # traces, by dilution


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the summary: what must hold, what was found, in how many of how many cases it holds."""

    figure: str
    must: str
    found: str
    reached: int
    of: int

    @property
    def verdict(self) -> str:
        """As it stands in the table."""
        if self.reached == self.of:
            return "reached"
        return f"not reached: {self.reached} of {self.of}"


def section(parts: Mapping[str, Sequence[Row]]) -> list[str]:
    """The summary, of the parts that were run."""
    made = [target for part, make in _MAKERS.items() if part in parts for target in make(parts[part]) if target.of]
    if not made:
        return []
    rows = [f"| {t.figure} | {t.must} | {t.found} | {t.verdict} |" for t in made]
    return ["## Targets", "", "| figure | must reach | found | |", "| --- | --- | --- | --- |", *rows, ""]


def _arl(rows: Sequence[Row]) -> list[Target]:
    made = []
    for figure, chosen, (low, high) in (
        ("achieved over target ARL, i.i.d.", ("i.i.d.",), _IID),
        ("achieved over target ARL, sticky sessions and daily cycle", ("sticky sessions", "daily cycle"), _BY_HABIT),
    ):
        mine = [row for row in rows if row["traffic"] in chosen]
        # Within the bounds as far as can be told: the interval of the ratio meets them.
        within = [row["interval"][0] <= high and (row["interval"][1] or high) >= low for row in mine]
        ratios = sorted(row["ratio"] if row["ratio"] is not None else float("inf") for row in mine)
        found = f"{written(ratios[0])} to {'∞' if ratios[-1] == float('inf') else written(ratios[-1])}" if mine else ""
        made.append(Target(figure, f"{low} to {high}", found, sum(within), len(within)))
    return made


def _delay(rows: Sequence[Row]) -> list[Target]:
    vectors = [row for row in rows if row["kind"] == "vector" and row["best_delay"] is not None]
    scalars = [row for row in rows if row["kind"] != "vector" and row["pane"] == 1 and row["best_delay"] is not None]
    return [
        _ratios("delay of embeddings over the best offline test told the change time, ARL 10⁴", 1.5, vectors),
        _ratios("delay of numbers and categories over the tuned CUSUM", 1.15, scalars),
    ]


def _ratios(figure: str, most: float, rows: Sequence[Row]) -> Target:
    ratios = sorted(row["ratio"] if row["ratio"] is not None else float("inf") for row in rows)
    middle = ratios[len(ratios) // 2] if ratios else float("nan")
    worst = "not found" if ratios and ratios[-1] == float("inf") else written(ratios[-1]) if ratios else ""
    found = f"median {written(middle)}, worst {worst}"
    return Target(figure, f"≤ {most}", found, sum(ratio <= most for ratio in ratios), len(ratios))


def _power(rows: Sequence[Row]) -> list[Target]:
    """Beside the single methods that are told nothing: the offline tests and the peers."""
    gaps = {name: [] for name in (ours.ENGINE, ours.WINDOW_TEST)}
    by_case: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.get("power") is not None:
            by_case.setdefault((row["law"], row["change"]), {})[row["method"]] = row["power"]
    for found in by_case.values():
        others = [
            power for method, power in found.items() if method in OMNIBUS or "evidently" in method or "alibi" in method
        ]
        if others:
            for name, mine in gaps.items():
                mine.append(found[name] - max(others))
    return [
        Target(
            f"power at equal 5 % false alarms: {name}", "≥ best single method − 0.03",
            f"worst {min(mine):+.2f}" if mine else "", sum(gap >= -0.03 for gap in mine), len(mine),
        )
        for name, mine in gaps.items()
    ]  # fmt: skip


def _cost(rows: Sequence[Row]) -> list[Target]:
    mine: dict[str, float] = {}
    for row in rows:
        if row["who"].startswith(ours.ENGINE):
            mine[row["figure"]] = max(row["value"], mine.get(row["figure"], 0.0))
    fold = next(value for figure, value in mine.items() if figure.startswith("folding"))
    memory = sum(value for figure, value in mine.items() if figure.startswith("state of one embedding"))
    verdict = mine["verdict on 1,000 embeddings against 5,000"]
    return [
        Target("CPU per trace", "≤ 25 µs", f"{fold:.1f} µs", fold <= 25.0, 1),
        Target("memory per segment, one embedding", "≤ 16 KiB", f"{memory:.1f} KiB", memory <= 16.0, 1),
        Target("verdict on 1,000 embeddings against 5,000", "< 10 ms", f"{verdict:.1f} ms", verdict < 10.0, 1),
    ]


def _llmdrift(rows: Sequence[Row]) -> list[Target]:
    mine = [
        row
        for row in rows
        if (row["model"], row["reference"], row["signal"]) == ("gpt-4", "all", "response.embedding")
        and row["share"] > 0
    ]
    found = [row["median"] if row["median"] is not None else float("inf") for row in mine]
    nulls = [row for row in rows if row["share"] == 0.0]
    short, long = min(row["limit"] for row in nulls), max(row["limit"] for row in nulls)
    delays = ", ".join("not found" if value == float("inf") else f"{value:.0f}" for value in found)
    return [
        Target(
            "GPT-4 March to June, response embedding: median traces at "
            + ", ".join(f"{row['share']:.0%}" for row in mine),
            "≤ " + ", ".join(f"{_LONGEST[row['share']]:,.0f}" for row in mine), delays,
            sum(value <= _LONGEST[row["share"]] for value, row in zip(found, mine, strict=True)), len(mine),
        ),
        *(_march(name, [row for row in nulls if row["limit"] == limit]) for name, limit in (
            ("March half against half, each answer once", short), (f"March against March for {long:,} traces", long),
        )),
    ]  # fmt: skip


def _march(figure: str, rows: Sequence[Row]) -> Target:
    replays, alarms = sum(row["replays"] for row in rows), sum(row["found"] for row in rows)
    return Target(
        figure, "0 alarms", f"{alarms} in {replays:,} replays", sum(row["found"] == 0 for row in rows), len(rows)
    )


def _month(rows: Sequence[Row]) -> list[Target]:
    (row,) = rows
    figure = f"30 days of {row['segments']} segments × {row['signals']} signals without change"
    return [Target(figure, f"≤ {row['budget']:g} pages", f"{row['pages']} pages", row["pages"] <= row["budget"], 1)]


_MAKERS = {"arl": _arl, "month": _month, "delay": _delay, "power": _power, "cost": _cost, "llmdrift": _llmdrift}
