"""The peers at their own thresholds and at equal run length, on the streams that ours reads in the same run.

They run in an environment of their own (``peers.txt``), as a process that is given arrays and asked for verdicts.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift import ours, runlength
from benchmarks.drift.arl import PANE
from benchmarks.drift.laws import Change, Law
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import REFERENCE, Block, changed_after, sample
from benchmarks.drift.traffic import KINDS, Independent, Traffic

PACKAGES = ("evidently", "alibi-detect", "river", "frouros", "scipy", "pandas", "tensorflow-cpu", "numpy")
SCALAR_TESTS = (
    "scipy KS", "evidently Wasserstein", "evidently PSI", "evidently Jensen-Shannon", "evidently KS",
    "alibi-detect CVM",
)  # fmt: skip
CATEGORY_TESTS = ("scipy chi-squared", "evidently Jensen-Shannon", "evidently PSI", "evidently chi-squared")
VECTOR_TESTS = (
    "evidently embeddings, model", "evidently embeddings, ratio", "evidently embeddings, distance",
    "evidently embeddings, MMD", "evidently embeddings, MMD bootstrap", "alibi-detect MMD",
)  # fmt: skip
# Of a streaming detector: its default first, then what makes it alarm more and more seldom.
SETTINGS: Mapping[str, tuple[float, ...]] = {
    "river ADWIN": (2e-3, 1e-1, 3e-1, 1e-2, 1e-3, 1e-4),
    "river KSWIN": (5e-3, 1e-4, 1e-5, 1e-6),
    "river PageHinkley": (50.0, 100.0, 200.0, 400.0),
}
# Of a detector that is told the run length it shall have.
TOLD_ARL = 300.0  # traces
ARL = 10_000.0  # traces
WINDOW = 500
QUIET = 1_008  # traces before a change, whole panes


@dataclass(slots=True)
class Jobs:
    """What is asked of the peers in one go."""

    arrays: dict[str, NDArray[Any]]
    asked: list[dict[str, Any]]

    def add(self, name: str, array: NDArray[Any]) -> str:
        """Give an array, under a name; the name."""
        self.arrays[name] = array
        return name

    def ask(self, **job: Any) -> int:
        """The number of the job, and of its answer."""
        self.asked.append(job)
        return len(self.asked) - 1


def python(given: Path | None) -> Path | None:
    """The interpreter of the peers: the one given, or that of ``DRIFTWARDEN_PEERS``; None without either."""
    named = os.environ.get("DRIFTWARDEN_PEERS")
    return given or (Path(named) if named else None)


def answers(jobs: Jobs, interpreter: Path) -> list[dict[str, Any]]:
    """The answer to every job."""
    worker = Path(__file__).with_name("peers_worker.py")
    with tempfile.TemporaryDirectory() as folder:
        asked, arrays, told = (Path(folder) / name for name in ("jobs.json", "arrays.npz", "answers.json"))
        asked.write_text(json.dumps(jobs.asked), encoding="utf-8")
        np.savez(arrays, **jobs.arrays)
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([interpreter, worker, asked, arrays, told], check=True, env=environ)
        found: list[dict[str, Any]] = json.loads(told.read_text(encoding="utf-8"))
    return found


def tests_of(law: Law) -> tuple[str, ...]:
    """The peers' window tests for the kind of the law."""
    return {"scalar": SCALAR_TESTS, "category": CATEGORY_TESTS, "vector": VECTOR_TESTS}[law.kind]


def windows(
    law: Law, traffic: Traffic, count: int, n: int, *, seed: tuple[int, ...], change: Change | None = None
) -> NDArray[Any]:
    """Windows of ``n`` traces in a row each, one after the other of one stream, ``(count, n, …)``."""
    column = sample(law, traffic, count * n, seed=seed, change=change).column
    return column.reshape(count, n, *column.shape[1:])


def measure(laws: Sequence[Law], plan: Plan, report: Report, interpreter: Path | None) -> list[Row]:
    """False alarms of windows and of streams, and delays at one run length."""
    if interpreter is None:
        report("no peers: give --peers or DRIFTWARDEN_PEERS, the interpreter of their environment (see peers.txt)")
        return []
    jobs, open_rows = Jobs({}, []), []
    jobs.ask(versions=list(PACKAGES))
    for number, law in enumerate(laws):
        open_rows += _ask_windows(jobs, law, plan, number)
        if law.name in ("normal", "Student t3", "lognormal latency"):
            open_rows += _ask_streams(jobs, law, plan, number)
        if law.kind == "vector":
            open_rows += _ask_told(jobs, "alibi-detect online MMD", law, plan, number)
    told = answers(jobs, interpreter)
    rows: list[Row] = [{"part": "versions", "versions": told[0]["versions"]}]
    for row in open_rows:
        found = told[row.pop("job")]
        rows.append(row | ({"missing": found["missing"]} if "missing" in found else _figures(row, found)))
    for number, law in enumerate(laws):
        rows += _ours_windows(law, plan, number)
        if law.name in ("normal", "Student t3", "lognormal latency"):
            rows += _ours_streams(law, plan, number, report)
    return rows


def _counts(law: Law, plan: Plan) -> int:
    """Null windows of one reference."""
    return 3 if plan.quick else 10 if law.kind == "vector" else 200


def _ask_windows(jobs: Jobs, law: Law, plan: Plan, number: int) -> list[Row]:
    rows: list[Row] = []
    traffics = KINDS[:2] if law.kind == "vector" else KINDS
    for kind, traffic in enumerate(traffics):
        reference = jobs.add(f"r{number}.{kind}", sample(law, traffic, REFERENCE, seed=(6, number, kind)).column)
        # The bootstrap copies the kernel of the reference with itself a hundred times for each window.
        short = jobs.add(f"r{number}.{kind}.short", jobs.arrays[reference][:1_000])
        for n in (100, WINDOW):
            drawn = windows(law, traffic, _counts(law, plan), n, seed=(7, number, kind, n))
            data = jobs.add(f"w{number}.{kind}.{n}", drawn)
            rows += [
                {
                    "part": "windows", "law": law.name, "traffic": traffic.name, "n": n, "method": method,
                    "job": jobs.ask(
                        windows=method, reference=short if method.endswith("bootstrap") else reference, data=data
                    ),
                }
                for method in tests_of(law)
            ]  # fmt: skip
    return rows


def _ask_streams(jobs: Jobs, law: Law, plan: Plan, number: int) -> list[Row]:
    """Null streams under every kind of traffic at the default, and streams that change, at every setting."""
    rows: list[Row] = _ask_told(jobs, "alibi-detect online CVM", law, plan, number)
    count, length = (2, 2_000) if plan.quick else (20, 10_000)
    none = jobs.add("none", np.zeros(1))
    for kind, traffic in enumerate(KINDS):
        data = jobs.add(f"s{number}.{kind}", windows(law, traffic, count, length, seed=(8, number, kind)))
        for method, settings in SETTINGS.items():
            chosen = settings if kind == 0 else settings[:1]
            if method == "river KSWIN":
                chosen = settings[:1]  # 200 µs a trace
            rows += [
                {
                    "part": "streams", "law": law.name, "traffic": traffic.name, "method": method, "setting": setting,
                    "length": length, "job": jobs.ask(stream=method, parameter=setting, reference=none, data=data),
                }
                for setting in chosen
            ]  # fmt: skip
    for place, change in enumerate(law.changes):
        data = jobs.add(f"c{number}.{place}", _changed(law, plan, change, (9, number, place)))
        for method, settings in SETTINGS.items():
            rows += [
                {
                    "part": "delays", "law": law.name, "change": change.name, "method": method, "setting": setting,
                    "job": jobs.ask(stream=method, parameter=setting, reference=none, data=data),
                }
                for setting in (settings[:1] if method == "river KSWIN" else settings)
            ]  # fmt: skip
    return rows


def _ask_told(jobs: Jobs, method: str, law: Law, plan: Plan, number: int) -> list[Row]:
    """Null streams for a detector that is told its run length: a reference of 1,000, since it keeps all of it."""
    count, length = (2, 500) if plan.quick else (20, 1_500)
    known = sample(law, Independent(), 1_000, seed=(18, number)).column
    reference = jobs.add(f"t{number}", known)
    data = jobs.add(f"u{number}", windows(law, Independent(), count, length, seed=(19, number)))
    return [
        {
            "part": "streams", "law": law.name, "traffic": Independent().name, "method": method, "setting": TOLD_ARL,
            "length": length, "target": TOLD_ARL,
            "job": jobs.ask(stream=method, parameter=TOLD_ARL, reference=reference, data=data),
        }
    ]  # fmt: skip


def _changed(law: Law, plan: Plan, change: Change, seed: tuple[int, ...]) -> NDArray[Any]:
    """Streams that change after ``QUIET`` traces, ``(s, n)``."""
    count, length = (2, 512) if plan.quick else (60, 2_048)
    streams = []
    for i in range(count):
        parts = changed_after(law, Independent(), length, quiet=QUIET, seed=(*seed, i), change=change)
        streams.append(np.concatenate([block.column for block in parts])[: QUIET + length])
    return np.stack(streams)


def _figures(row: Row, found: dict[str, Any]) -> Row:
    """What the answer to a job says in the terms of its part."""
    spent = {"seconds": found["seconds"]}
    if row["part"] == "windows":
        return {"windows": len(found["drifted"]), "fired": float(np.mean(found["drifted"]))} | spent
    alarms = [np.inf if alarm is None else float(alarm) for alarm in found["alarms"]]
    if row["part"] == "delays":
        return _delays(np.array(alarms)) | spent
    return _run_length(alarms, row["length"]) | spent


def _run_length(alarms: Sequence[float], length: int) -> Row:
    """Mean traces to the first alarm, with its interval."""
    panes = int(sum(min(alarm, length) for alarm in alarms))
    found = runlength.RunLength(panes, int(np.isfinite(alarms).sum()))
    return {"arl": found.mean, "interval": list(found.interval), "streams": len(alarms)}


def _delays(alarms: NDArray[np.float64]) -> Row:
    """Of the streams without an alarm before the change: the mean delay, and the share that was found at all."""
    after = alarms[alarms > QUIET] - QUIET
    found = np.isfinite(after)
    return {
        "streams": len(after),
        "found": float(found.mean()) if len(after) else float("nan"),
        "delay": float(after.mean()) if len(after) else float("nan"),
        "median": float(np.quantile(after, 0.5, method="inverted_cdf")) if len(after) else float("nan"),
    }


def _ours_windows(law: Law, plan: Plan, number: int) -> list[Row]:
    """The verdict at 5 % on the windows that the peers had."""
    rows: list[Row] = []
    for kind, traffic in enumerate(KINDS[:2] if law.kind == "vector" else KINDS):
        test = ours.window_test(sample(law, traffic, REFERENCE, seed=(6, number, kind)), law.kind, seed=number)
        for n in (100, WINDOW):
            drawn = windows(law, traffic, _counts(law, plan), n, seed=(7, number, kind, n))
            fired = np.mean([test(_block(window)) >= -np.log(0.05) for window in drawn])
            rows.append(
                {
                    "part": "windows", "law": law.name, "traffic": traffic.name, "n": n, "method": ours.WINDOW_TEST,
                    "windows": len(drawn), "fired": float(fired),
                }
            )  # fmt: skip
    return rows


def _ours_streams(law: Law, plan: Plan, number: int, report: Report) -> list[Row]:
    """At the stated threshold for one false alarm in ``ARL`` traces, with panes of one and of 16 traces."""
    rows: list[Row] = []
    count, length = (2, 2_000) if plan.quick else (20, 10_000)
    for pane in (1, PANE):
        method, threshold = f"{ours.ENGINE}, panes of {pane}", ours.log_threshold(ARL / pane)
        for kind, traffic in enumerate(KINDS):
            fitted = ours.fit(sample(law, traffic, REFERENCE, seed=(6, number, kind)), law.kind, pane=pane, seed=number)
            drawn = windows(law, traffic, count, length, seed=(8, number, kind))
            rows.append(
                {"part": "streams", "law": law.name, "traffic": traffic.name, "method": method, "length": length}
                | _run_length(_ours_alarms(fitted, drawn, pane, threshold), length)
            )
        fitted = ours.fit(sample(law, Independent(), REFERENCE, seed=(6, number, 0)), law.kind, pane=pane, seed=number)
        for place, change in enumerate(law.changes):
            alarms = _ours_alarms(fitted, _changed(law, plan, change, (9, number, place)), pane, threshold)
            rows.append(
                {"part": "delays", "law": law.name, "change": change.name, "method": method} | _delays(np.array(alarms))
            )
        report(f"{law.name}: {method} on the peers' streams")
    return rows


def _ours_alarms(fitted: ours.Fitted, streams: NDArray[Any], pane: int, threshold: float) -> list[float]:
    """Traces to the first alarm in every stream."""
    tasks = [ours.Task(fitted, ours.fold(fitted, _block(stream), pane=pane)) for stream in streams]
    passed = [runlength.first_passage(path, threshold) for path in ours.evidence(tasks, stop=threshold)]
    return [np.inf if p is None else (p + 1.0) * pane for p in passed]


def _block(column: NDArray[Any]) -> Block:
    """Traces without a session or a time of day."""
    number = np.arange(len(column))
    return Block(column, number, number / len(column))
