"""Runs the peers in their own environment: ``python peers_worker.py JOBS.json ARRAYS.npz ANSWERS.json``.

Reads jobs and arrays, writes an answer for each job; imports nothing of this project. A job is one of

- ``{"windows": method, "reference": array, "data": array}``: a score and the verdict by the method's own default for
  every window of ``data`` ``(w, n, …)``, and CPU-seconds per window;
- ``{"stream": method, "parameter": number, "reference": array, "data": array}``: traces to the first alarm in each
  stream of ``data`` ``(s, n, …)``, null where there is none, and CPU-seconds per trace;
- ``{"report": "evidently", "reference": array, "data": array}``: CPU-seconds of its report on embeddings;
- ``{"versions": [package, …]}``.

A method whose package cannot be imported, or that fails, answers ``{"missing": reason}``.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

os.environ.update(DO_NOT_TRACK="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
warnings.simplefilter("ignore")

Array = np.ndarray
Test = Callable[[Array], tuple[float, bool]]
Detector = Callable[[Any], bool]


def column_test(name: str) -> Callable[[Array], Test]:
    """A test of one number or code by Evidently, at its own threshold; a larger score is more drift."""

    def fitted(reference: Array) -> Test:
        import pandas as pd
        from evidently.legacy.calculations import stattests
        from evidently.legacy.core import ColumnType

        test = getattr(stattests, name)
        kind = ColumnType.Categorical if reference.dtype.kind == "i" else ColumnType.Numerical
        before = pd.Series(reference)
        by_p_value = name in ("ks_stat_test", "chi_stat_test", "z_stat_test")

        def run(window: Array) -> tuple[float, bool]:
            found = test(before, pd.Series(window), kind, None)
            return (-found.drift_score if by_p_value else found.drift_score), bool(found.drifted)

        return run

    return fitted


def embedding_test(name: str, **options: Any) -> Callable[[Array], Test]:
    """A drift method of Evidently's for embeddings."""

    def fitted(reference: Array) -> Test:
        import pandas as pd
        from evidently.legacy.metrics.data_drift import embedding_drift_methods

        method = getattr(embedding_drift_methods, name)(**options)

        def run(window: Array) -> tuple[float, bool]:
            score, drifted, _ = method(pd.DataFrame(window), pd.DataFrame(reference))
            return float(score), bool(drifted)

        return run

    return fitted


def scipy_ks(reference: Array) -> Test:
    """Kolmogorov and Smirnov at 5 %."""
    from scipy.stats import ks_2samp

    def run(window: Array) -> tuple[float, bool]:
        p = float(ks_2samp(reference, window, method="asymp").pvalue)
        return -p, p < 0.05

    return run


def scipy_chi2(reference: Array) -> Test:
    """Pearson's chi-squared at 5 %."""
    from scipy.stats import chi2_contingency

    def run(window: Array) -> tuple[float, bool]:
        values = np.union1d(reference, window)
        table = [[np.count_nonzero(part == value) for value in values] for part in (reference, window)]
        p = float(chi2_contingency(table).pvalue) if len(values) > 1 else 1.0
        return -p, p < 0.05

    return run


def alibi_test(name: str) -> Callable[[Array], Test]:
    """An offline test of alibi-detect at 5 %."""

    def fitted(reference: Array) -> Test:
        import alibi_detect.cd

        detector = getattr(alibi_detect.cd, name)(reference, p_val=0.05)

        def run(window: Array) -> tuple[float, bool]:
            told = detector.predict(window)["data"]
            p = float(np.min(told["p_val"]))
            # Permutations tie at many p-values; the distance does not.
            return float(np.max(told["distance"])) if name == "MMDDrift" else -p, bool(told["is_drift"])

        return run

    return fitted


def frouros_mmd(reference: Array) -> Test:
    """Frouros' MMD; it has no threshold of its own, so it never says drift."""
    from frouros.detectors.data_drift import MMD

    detector = MMD(chunk_size=500)
    detector.fit(X=reference)
    return lambda window: (float(detector.compare(X=window)[0].distance), False)


WINDOWS: dict[str, Callable[[Array], Test]] = {
    "scipy KS": scipy_ks,
    "scipy chi-squared": scipy_chi2,
    "evidently Wasserstein": column_test("wasserstein_stat_test"),
    "evidently PSI": column_test("psi_stat_test"),
    "evidently Jensen-Shannon": column_test("jensenshannon_stat_test"),
    "evidently KS": column_test("ks_stat_test"),
    "evidently chi-squared": column_test("chi_stat_test"),
    "evidently embeddings, model": embedding_test("model"),
    "evidently embeddings, ratio": embedding_test("ratio"),
    "evidently embeddings, distance": embedding_test("distance"),
    "evidently embeddings, MMD": embedding_test("mmd"),
    "evidently embeddings, MMD bootstrap": embedding_test("mmd", bootstrap=True),
    "alibi-detect KS": alibi_test("KSDrift"),
    "alibi-detect CVM": alibi_test("CVMDrift"),
    "alibi-detect MMD": alibi_test("MMDDrift"),
    "frouros MMD": frouros_mmd,
}


def river(name: str, option: str) -> Callable[[Array, float], Iterator[Detector]]:
    """A detector of river's that compares a stream with its own past; the reference is not used."""

    def fresh(reference: Array, parameter: float) -> Iterator[Detector]:
        import river.drift

        while True:
            seed = {"seed": 0} if name == "KSWIN" else {}
            detector = getattr(river.drift, name)(**{option: parameter}, **seed)

            def update(value: Any, detector: Any = detector) -> bool:
                detector.update(float(value))
                return bool(detector.drift_detected)

            yield update

    return fresh


def alibi_online(name: str, **options: Any) -> Callable[[Array, float], Iterator[Detector]]:
    """An online detector of alibi-detect; the parameter is the expected run time."""

    def fresh(reference: Array, parameter: float) -> Iterator[Detector]:
        import alibi_detect.cd

        np.random.seed(0)  # noqa: NPY002  it draws from the global generator
        detector = getattr(alibi_detect.cd, name)(reference, ert=parameter, verbose=False, **options)
        while True:
            detector.reset_state()

            def update(value: Any) -> bool:
                return bool(detector.predict(np.asarray(value))["data"]["is_drift"])

            yield update

    return fresh


def frouros_streaming(name: str) -> Callable[[Array, float], Iterator[Detector]]:
    """A streaming distance of frouros' with a window of 100, which alarms at the parameter."""

    def fresh(reference: Array, parameter: float) -> Iterator[Detector]:
        import frouros.detectors.data_drift as frouros

        while True:
            detector = getattr(frouros, name)(window_size=100)
            detector.fit(X=reference)

            def update(value: Any, detector: Any = detector) -> bool:
                found = detector.update(value=value)[0]
                if found is None:
                    return False
                by_p_value = hasattr(found, "p_value")
                return bool(found.p_value < parameter if by_p_value else found.distance > parameter)

            yield update

    return fresh


STREAMS: dict[str, Callable[[Array, float], Iterator[Detector]]] = {
    "river ADWIN": river("ADWIN", "delta"),
    "river KSWIN": river("KSWIN", "alpha"),
    "river PageHinkley": river("PageHinkley", "threshold"),
    "alibi-detect online CVM": alibi_online("CVMDriftOnline", window_sizes=[20, 40], n_bootstraps=2_500),
    "alibi-detect online MMD": alibi_online("MMDDriftOnline", window_size=50, n_bootstraps=1_000),
    "frouros incremental KS": frouros_streaming("IncrementalKSTest"),
    "frouros streaming MMD": frouros_streaming("MMDStreaming"),
}


def run_windows(method: str, reference: Array, data: Array) -> dict[str, Any]:
    """Scores and verdicts of every window."""
    test = WINDOWS[method](reference)
    began = time.process_time()
    told = [test(window) for window in data]
    seconds = (time.process_time() - began) / len(data)
    return {"scores": [score for score, _ in told], "drifted": [verdict for _, verdict in told], "seconds": seconds}


def run_stream(method: str, parameter: float, reference: Array, data: Array) -> dict[str, Any]:
    """Traces to the first alarm in every stream."""
    detectors = STREAMS[method](reference, parameter)
    found: list[int | None] = []
    seen, spent = 0, 0.0
    for stream in data:
        update = next(detectors)
        began = time.process_time()
        alarm = next((i for i, value in enumerate(stream, start=1) if update(value)), None)
        spent += time.process_time() - began
        seen += alarm or len(stream)
        found.append(alarm)
    return {"alarms": found, "seconds": spent / seen}


def run_report(reference: Array, data: Array) -> dict[str, Any]:
    """Evidently's report with nothing but its metric of embedding drift, as its documentation shows it."""
    import pandas as pd
    from evidently.legacy.metrics import EmbeddingsDriftMetric
    from evidently.legacy.pipeline.column_mapping import ColumnMapping
    from evidently.legacy.report import Report

    names = [f"e{i}" for i in range(reference.shape[1])]
    before, now = (pd.DataFrame(part, columns=names) for part in (reference, data))
    began, wall = time.process_time(), time.perf_counter()
    report = Report(metrics=[EmbeddingsDriftMetric("all")])
    report.run(reference_data=before, current_data=now, column_mapping=ColumnMapping(embeddings={"all": names}))
    report.as_dict()
    return {"seconds": time.process_time() - began, "wall": time.perf_counter() - wall}


def answer(job: dict[str, Any], arrays: Any) -> dict[str, Any]:
    """What one job comes to."""
    try:
        if "versions" in job:
            return {"versions": {name: installed(name) for name in job["versions"]}}
        if "windows" in job:
            return run_windows(job["windows"], arrays[job["reference"]], arrays[job["data"]])
        if "report" in job:
            return run_report(arrays[job["reference"]], arrays[job["data"]])
        return run_stream(job["stream"], job["parameter"], arrays[job["reference"]], arrays[job["data"]])
    except Exception as error:  # noqa: BLE001  a peer may fail in any way, and is then told as missing
        return {"missing": f"{type(error).__name__}: {error}"[:300]}


def installed(package: str) -> str | None:
    """Its version; None where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main() -> None:
    """Answer every job."""
    jobs_path, arrays_path, answers_path = sys.argv[1:]
    with open(jobs_path, encoding="utf-8") as file:  # noqa: PTH123
        jobs = json.load(file)
    arrays = np.load(arrays_path)
    answers = []
    for number, job in enumerate(jobs, start=1):
        answers.append(answer(job, arrays))
        told = f"{answers[-1].get('missing', 'done')}, {time.process_time():.0f} s CPU"
        name = job.get("windows") or job.get("stream") or next(iter(job))
        print(f"peer job {number} of {len(jobs)}: {name}: {told}", file=sys.stderr, flush=True)
    with open(answers_path, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(answers, file)


if __name__ == "__main__":
    main()
