"""How often each test finds a change in a window of 500 traces against 5,000, at equal false alarms of 5 %.

Every test has the threshold that 5 % of null windows pass, over references, whatever its own threshold is; ours, the
sequential engine, is the greatest evidence over the window's panes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift import offline, oracle, ours, peers
from benchmarks.drift.laws import Change, Law
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import REFERENCE, Block, sample
from benchmarks.drift.traffic import Array, Independent

WINDOW = 500
PANE = 20  # divides the window
LEVEL = 0.05

Scores = Callable[[Sequence[Block]], list[float]]


def measure(laws: Sequence[Law], plan: Plan, report: Report, interpreter: Path | None) -> list[Row]:
    """A row per law, change and method."""
    rows: list[Row] = []
    for number, law in enumerate(laws):
        rows += _ours(law, plan, number, report)
        if law.kind == "vector":
            rows += _oracles(law, plan, number, report)
        if interpreter:
            rows += _peers(law, plan, number, interpreter)
    if interpreter is None:
        report("no peers: give --peers or DRIFTWARDEN_PEERS, the interpreter of their environment (see peers.txt)")
    return rows


def _row(law: Law, change: Change, method: str, power: float, windows: int) -> Row:
    return {"law": law.name, "change": change.name, "method": method, "power": power, "windows": windows}


def _sequential(reference: Block, law: Law, seed: int) -> Scores:
    """The greatest evidence over the panes of each window."""
    fitted = ours.fit(reference, law.kind, pane=PANE, seed=seed)

    def run(windows: Sequence[Block]) -> list[float]:
        tasks = [ours.Task(fitted, ours.fold(fitted, window, pane=PANE)) for window in windows]
        return [float(path.max()) for path in ours.evidence(tasks)]

    return run


def _compared(reference: Block, law: Law, seed: int) -> Scores:
    """Minus the log p-value of each window."""
    test = ours.window_test(reference, law.kind, seed=seed)
    return lambda windows: [test(window) for window in windows]


def _ours(law: Law, plan: Plan, number: int, report: Report) -> list[Row]:
    """Both of ours, on the same windows."""
    nulls, changed = (10, 4) if plan.quick else (80, 30)
    quiet: dict[str, list[float]] = {ours.ENGINE: [], ours.WINDOW_TEST: []}
    found = {(change, method): [] for change in law.changes for method in quiet}
    for place in range(plan.references):
        reference = sample(law, Independent(), REFERENCE, seed=(10, number, place))
        scores = {
            ours.ENGINE: _sequential(reference, law, place),
            ours.WINDOW_TEST: _compared(reference, law, place),
        }
        drawn = [sample(law, Independent(), WINDOW, seed=(11, number, place, i)) for i in range(nulls)]
        for method, score in scores.items():
            quiet[method] += score(drawn)
        for kind, change in enumerate(law.changes):
            seeds = [(12, number, place, i, kind) for i in range(changed)]
            drawn = [sample(law, Independent(), WINDOW, seed=seed, change=change) for seed in seeds]
            for method, score in scores.items():
                found[change, method] += score(drawn)
        report(f"{law.name}: windows of reference {place + 1} of {plan.references}")
    limits = {method: float(np.quantile(values, 1.0 - LEVEL)) for method, values in quiet.items()}
    return [
        _row(law, change, method, float(np.mean(np.array(values) > limits[method])), len(values))
        for (change, method), values in found.items()
    ]


def _oracles(law: Law, plan: Plan, number: int, report: Report) -> list[Row]:
    few = min(plan.references, 8)
    null = 20_000 if plan.quick else 100_000
    bench = oracle.prepare(law, references=few, null_traces=null, step=WINDOW, seed=(13, number))
    rows = []
    for kind, change in enumerate(law.changes):
        runs = 4 if plan.quick else 30
        found = offline.power(bench, change, WINDOW, level=LEVEL, replicates=runs, seed=(14, number, kind))
        rows += [_row(law, change, test, power, runs * few) for test, power in found.items()]
        report(f"{law.name}, {change.name}: " + ", ".join(f"{test} {power:.2f}" for test, power in found.items()))
    return rows


def _peers(law: Law, plan: Plan, number: int, interpreter: Path) -> list[Row]:
    """The peers' scores on windows of one reference."""
    slow = law.kind == "vector"
    nulls, changed = (4, 2) if plan.quick else (40, 10) if slow else (400, 200)
    jobs = peers.Jobs({}, [])
    jobs.add("reference", sample(law, Independent(), REFERENCE, seed=(10, number, 0)).column)
    jobs.add("null", peers.windows(law, Independent(), nulls, WINDOW, seed=(15, number)))
    for place, change in enumerate(law.changes):
        drawn = peers.windows(law, Independent(), changed, WINDOW, seed=(16, number, place), change=change)
        jobs.add(f"changed{place}", drawn)
    # A bootstrap or permutations cost much and do not change the score, which is Evidently's MMD already.
    methods = [name for name in peers.tests_of(law) if not name.endswith("bootstrap") and name != "alibi-detect MMD"]
    for method in methods:
        for data in ("null", *(f"changed{place}" for place in range(len(law.changes)))):
            jobs.ask(windows=method, reference="reference", data=data)
    told = iter(peers.answers(jobs, interpreter))
    rows: list[Row] = []
    for method in methods:
        quiet = next(told)
        for change in law.changes:
            answer = next(told)
            rows.append(_against(law, change, method, quiet, answer))
    return rows


def _against(law: Law, change: Change, method: str, quiet: dict[str, Any], answer: dict[str, Any]) -> Row:
    if missing := quiet.get("missing") or answer.get("missing"):
        return {"law": law.name, "change": change.name, "method": method, "missing": missing}
    scores = np.array(answer["scores"])
    return _row(law, change, method, _share_above(scores, np.array(quiet["scores"])), len(scores))


def _share_above(scores: Array, quiet: NDArray[np.float64]) -> float:
    """Share of the scores beyond the level's quantile of the quiet ones, ties counting in part.

    A score that takes few values passes its own quantile too often or too seldom; a coin for ties makes it exact.
    """
    limit = np.quantile(quiet, 1.0 - LEVEL, method="inverted_cdf")
    above, tied = np.mean(quiet > limit), np.mean(quiet == limit)
    coin = (LEVEL - above) / tied if tied else 0.0
    return float(np.mean(scores > limit) + coin * np.mean(scores == limit))
