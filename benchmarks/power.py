"""The power of two-sample tests on embeddings at equal false alarms: a window of 500 against a reference of 5,000.

    python -m benchmarks.power [--references 10] [--nulls 200] [--windows 50] [--pooled 0] [--seed 0]

Every test has the threshold that 5 % of unchanged windows of the same reference pass, so that a test that cries wolf
gains nothing. Laws: synthetic topics, and real texts where ``DRIFTWARDEN_SHARED_DATA`` is there. Prints the share of
changed windows found, and for ours the share of unchanged windows with p ≤ 0.05.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import ks_2samp

from benchmarks.drift.laws import Change, Law, Topics
from benchmarks.drift.streams import sample
from benchmarks.drift.texts import real_laws
from benchmarks.drift.traffic import Independent
from detectors.base import summarise
from detectors.clusters import fit_clusters, nearest
from detectors.ruler import difference, fit_reference_ruler, fit_ruler, noise_of

Vectors = NDArray[np.float32]
Scores = Mapping[str, float]
Test = Callable[[Vectors], Scores]

REFERENCE, WINDOW = 5_000, 500
# A shift so small that no test saturates, besides those of the law.
SMALLER = (Change("isotropic", 0.02), Change("novel", 0.01), Change("spread", 1.01), Change("spread", 0.99))


def ours(reference: Vectors, seed: int) -> Test:
    """Given the fitted reference: what a monitor knows before the window comes."""
    ruler, before = fit_reference_ruler(reference, seed=seed)

    def run(window: Vectors) -> Scores:
        features = ruler.apply(window)
        found = difference(ruler, before, summarise(features), noise_of(ruler, features[:300]))
        return {"ours": -found.log_p, **{f"  {name}": -log_p for name, log_p in found.log_ps.items()}}

    return run


def ours_pooled(reference: Vectors, seed: int) -> Test:
    """Fitted on both samples together, as `driftwarden drift compare` does."""

    def run(window: Vectors) -> Scores:
        both = np.concatenate([reference, window])
        ruler = fit_ruler(both, seed=seed)
        features = ruler.apply(both)
        before, now = summarise(features[: len(reference)]), summarise(features[len(reference) :])
        return {"ours, both": -difference(ruler, before, now, noise_of(ruler, features)).log_p}

    return run


def distances(reference: Vectors, seed: int) -> Test:
    """The maximum mean discrepancy of a Gaussian kernel at the median distance, and the energy distance."""
    chosen = np.random.default_rng(seed).permutation(len(reference))[:1_000]
    width = float(np.median(pdist(reference[chosen])))
    reference_mean = {
        "Gaussian MMD": float(np.exp(-(pdist(reference[chosen]) ** 2) / (2 * width**2)).mean()),
        "energy distance": -float(pdist(reference[chosen]).mean()),
    }

    def run(window: Vectors) -> Scores:
        across, within = squared(reference, window), squared(window, window)[np.triu_indices(len(window), 1)]
        kernels: dict[str, Callable[[Vectors], float]] = {
            "Gaussian MMD": lambda squares: float(np.exp(-squares / (2 * width**2)).mean(dtype=np.float64)),
            "energy distance": lambda squares: -float(np.sqrt(squares).mean(dtype=np.float64)),
        }
        return {name: reference_mean[name] + kernel(within) - 2 * kernel(across) for name, kernel in kernels.items()}

    return run


def squared(first: Vectors, second: Vectors) -> Vectors:
    """Squared distances ``(n, m)``."""
    lengths = np.einsum("ij,ij->i", first, first)[:, None] + np.einsum("ij,ij->i", second, second)
    return np.maximum(lengths - 2.0 * first @ second.T, 0.0)


def means(reference: Vectors, seed: int) -> Test:
    """The distance of the centroids; Hotelling's with a ridge; the mean Mahalanobis length, whichever way it moves."""
    centre = reference.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.cov(reference, rowvar=False, dtype=np.float64))
    scaled = {ridge: axes / np.sqrt(variances + ridge * variances.mean()) for ridge in (1.0, 0.1, 0.01)}
    lengths = np.linalg.norm((reference - centre) @ scaled[0.1], axis=1).mean()

    def run(window: Vectors) -> Scores:
        shift = window.mean(axis=0, dtype=np.float64) - centre
        length = np.linalg.norm((window - centre) @ scaled[0.1], axis=1).mean()
        hotelling = {f"Hotelling, ridge {ridge:g}": float(((shift @ by) ** 2).sum()) for ridge, by in scaled.items()}
        return {"centroid": float(shift @ shift), **hotelling, "Mahalanobis": abs(float(length - lengths))}

    return run


def clusters(reference: Vectors, seed: int) -> Test:
    """χ² on the shares of k-means clusters."""
    fitted = {count: fit_clusters(reference, clusters=count, seed=seed).centroids for count in (16, 64)}
    shares = {
        count: (np.bincount(nearest(reference, by)[0], minlength=len(by)) + 0.5) / (REFERENCE + 0.5 * len(by))
        for count, by in fitted.items()
    }

    def run(window: Vectors) -> Scores:
        found = {}
        for count, by in fitted.items():
            seen = np.bincount(nearest(window, by)[0], minlength=len(by))
            expected = shares[count] * len(window)
            found[f"χ² of {count} clusters"] = float(((seen - expected) ** 2 / expected).sum())
        return found

    return run


def components(reference: Vectors, seed: int) -> Test:
    """The smallest Kolmogorov-Smirnov p-value over 32 principal components."""
    centre = reference.mean(axis=0, dtype=np.float64)
    axes = np.linalg.eigh(np.cov(reference, rowvar=False, dtype=np.float64))[1][:, ::-1][:, :32]
    before = np.sort((reference - centre) @ axes, axis=0)

    def run(window: Vectors) -> Scores:
        now = (window - centre) @ axes
        least = min(ks_2samp(before[:, i], now[:, i], method="asymp").pvalue for i in range(now.shape[1]))
        return {"KS of 32 components": -float(np.log(max(least, 1e-300)))}

    return run


def topics() -> Topics:
    """Synthetic topics, with an isotropic direction that is not the first centre (the law draws both by one seed)."""
    law = Topics()
    random = np.random.default_rng(1_000).standard_normal(law.dimension)
    law.__dict__["directions"] = replace(law.directions, isotropic=random / np.linalg.norm(random))
    return law


def drawn(law: Law, n: int, seed: tuple[int, ...], change: Change | None = None) -> Vectors:
    return np.asarray(sample(law, Independent(), n, seed=seed, change=change).column, dtype=np.float32)


def scores(tests: Sequence[Test], windows: Sequence[Vectors]) -> dict[str, NDArray[np.float64]]:
    """Of each test, one score a window."""
    rows = [{name: score for test in tests for name, score in test(window).items()} for window in windows]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def measure(law: Law, asked: argparse.Namespace) -> None:
    """Print the table of one law."""
    changes = [*law.changes, *SMALLER]
    found: dict[str, dict[str, list[float]]] = {}
    levels: list[float] = []
    for number in range(asked.references):
        seed = asked.seed + number
        reference = drawn(law, REFERENCE, (seed, 0))
        makers = [ours, distances, means, clusters, components]
        tests = [make(reference, seed) for make in makers]
        if number < asked.pooled:
            tests.append(ours_pooled(reference, seed))
        quiet = scores(tests, [drawn(law, WINDOW, (seed, 1, i)) for i in range(asked.nulls)])
        levels.extend((quiet["ours"] >= -np.log(0.05)).tolist())
        for place, change in enumerate(changes):
            windows = [drawn(law, WINDOW, (seed, 2 + place, i), change) for i in range(asked.windows)]
            for name, values in scores(tests, windows).items():
                passed = values > np.quantile(quiet[name], 0.95)
                found.setdefault(name, {}).setdefault(change.name, []).extend(passed.tolist())
    print(f"\n{law.name}: share of windows found at 5 % false alarms, {asked.references} references")
    print(f"{'':22s}" + "".join(f"{change.name[-12:]:>13s}" for change in changes))
    for name, row in found.items():
        print(f"{name:22s}" + "".join(f"{np.mean(row[change.name]):13.2f}" for change in changes))
    peers = [name for name in found if not name.startswith((" ", "ours"))]
    best = {change.name: max(float(np.mean(found[name][change.name])) for name in peers) for change in changes}
    gaps = [float(np.mean(found["ours"][change.name])) - best[change.name] for change in changes]
    print(f"{'ours − best single':22s}" + "".join(f"{gap:+13.2f}" for gap in gaps))
    print(f"unchanged windows with p ≤ 0.05: {np.mean(levels):.3f} of {len(levels)}", flush=True)


def latency(law: Law) -> None:
    """Print what a verdict takes, the reference being fitted: the median of 51."""
    reference, window = drawn(law, REFERENCE, (0, 0)), drawn(law, 1_000, (0, 1))
    test = ours(reference, 0)
    taken = []
    for _ in range(51):
        begin, spent = time.perf_counter(), time.process_time()
        test(window)
        taken.append((time.perf_counter() - begin, time.process_time() - spent))
    wall, cpu = np.median(taken, axis=0)
    print(
        f"verdict of 1,000 against 5,000 vectors, reference fitted: {1e3 * cpu:.1f} ms of CPU, {1e3 * wall:.1f} ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=10)
    parser.add_argument("--nulls", type=int, default=200, help="unchanged windows of each reference")
    parser.add_argument("--windows", type=int, default=50, help="windows of each reference and change")
    parser.add_argument("--pooled", type=int, default=0, help="references on which the slower pooled fit is tried too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", action="store_true", help="real texts only")
    asked = parser.parse_args()
    latency(topics())
    for law in (*(() if asked.texts else (topics(),)), *real_laws()):
        measure(law, asked)


if __name__ == "__main__":
    main()
