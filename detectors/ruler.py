"""Whether two samples of vectors differ: five tests side by side, since no single one sees every kind of change.

- *mean*: the distance of the centroids, each axis weighed by how little it varies (Hotelling's T² with a ridge): a
  shift in any direction;
- *topics*: the share of every cluster and of every union of neighbouring clusters: a mix that changed;
- *novelty*: the shares of vectors far from every cluster: traffic of a new kind;
- *spread*: the distances from the middle, and their squares: traffic that widened or narrowed;
- *shape*: the maximum mean discrepancy on whitened coordinates (Gretton and others, JMLR 13, 2012), by random Fourier
  features (Rahimi and Recht, NIPS 2007): anything else.

All five are functions of sums over the traces of a side. The smallest weighted p-value decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.special import ndtri

from detectors.base import Array, Features, Sum, summarise
from detectors.clusters import Clusters, fit_clusters
from detectors.multiplicity import log_of_best
from detectors.projection import Projection, fit_projection
from detectors.quadratic import Noise, Quadratic, fit_quadratic, log_p
from detectors.scan import Scan, branches, effective_number, log_of_largest, tails

# A test that has one kind of change to itself finds it with a small share; a shift in any direction is the hardest.
WEIGHTS: Mapping[str, float] = {"mean": 0.4, "topics": 0.37, "novelty": 0.1, "spread": 0.05, "shape": 0.08}
# Rings hold these shares of the vectors from the middle of their cluster outwards.
_RINGS = (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
_FARTHEST = 4.0  # times the usual length, so that no vector outweighs all others


@dataclass(frozen=True, slots=True, eq=False)
class Ruler:
    """What vectors are measured by. d dimensions, w waves, c clusters, r rings.

    Attributes:
        projection: principal axes.
        longest: a centred vector is cut to this length.
        waves: random frequencies on the coordinates, ``(p + 1, w / 2)``.
        clusters: on the coordinates.
        ring_edges: inner edges of the rings, ``(r − 1,)``.
        distances: sorted distances of the vectors it was fitted on, inside and outside the axes, ``(2, n)``.
        mean, shape: the weights of the two quadratic tests.
        topics, novelty: the shares that are compared.
        loose: the number of independent scores of spread.
    """

    projection: Projection
    longest: float
    waves: Features
    clusters: Clusters
    ring_edges: Array
    distances: Array
    mean: Quadratic
    shape: Quadratic
    topics: Scan
    novelty: Scan
    loose: float

    def slices(self) -> dict[str, slice]:
        """Where the features of each test lie."""
        sizes = {
            "mean": len(self.projection.centre),
            "shape": 2 * self.waves.shape[1],
            "spread": 4,
            "topics": len(self.clusters),
            "novelty": len(self.ring_edges) + 1,
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}

    def apply(self, x: NDArray[np.floating]) -> Features:
        """Features ``(n, k)`` of ``n`` finite vectors ``(n, d)``; topics and rings are one-hot."""
        return _features(self, x)


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """What two samples of vectors differ in.

    Attributes:
        log_p: of no difference.
        log_ps: the same of each test alone.
        leading: the test that decided.
        direction: unit vector over the features ``(k,)`` along which the sides differ most, by the test that decided.
    """

    log_p: float
    log_ps: Mapping[str, float]
    leading: str
    direction: Array


def fit_ruler(x: NDArray[np.floating], *, waves: int = 256, seed: int) -> Ruler:
    """Everything is fitted on the finite rows of ``x`` ``(n, d)``, ``n ≥ 4``.

    Fit on both samples together, which of the rows came from which unseen: then under no change every labelling is as
    likely, and nothing is lost to a split. To fit on a reference alone see ``fit_reference_ruler``.
    """
    return weighed(_shaped(x, waves=waves, seed=seed), x)[0]


def fit_reference_ruler(x: NDArray[np.floating], *, waves: int = 256, seed: int) -> tuple[Ruler, Sum]:
    """A ruler for windows to come, and the sum of the reference's rows that did not shape it.

    Vectors that shaped axes and clusters lie otherwise to them than new ones do. So a random third shapes them, and the
    rest is what distances are ranked among and windows are compared with.
    """
    order = np.random.default_rng(seed).permutation(len(x))
    third = max(len(x) // 3, 4)
    ruler, features = weighed(_shaped(x[order[:third]], waves=waves, seed=seed), x[order[third:]])
    return ruler, summarise(features)


def difference(ruler: Ruler, before: Sum, now: Sum, noise: Mapping[str, Noise]) -> Difference:
    """Compare two samples by their sums.

    Args:
        ruler: what both were measured by.
        before: of n vectors.
        now: of m vectors.
        noise: of the quadratic tests, as ``noise_of`` measures it.
    """
    parts = ruler.slices()
    unit = 1.0 / before.n + 1.0 / now.n
    shift = now.mean - before.mean
    log_ps, directions = {}, {}
    for name, test in (("mean", ruler.mean), ("shape", ruler.shape)):
        log_ps[name] = log_p(test.distance(shift[parts[name]]), noise[name], unit)
        directions[name] = test.direction(shift[parts[name]])
    for name, scan in (("topics", ruler.topics), ("novelty", ruler.novelty)):
        scores = scan.scores(np.rint(before.total[parts[name]]), np.rint(now.total[parts[name]]))
        log_ps[name] = scan.log_p(scores)
        directions[name] = scan.direction(scores)
    scores = shift[parts["spread"]] / np.sqrt(unit)
    log_ps["spread"] = log_of_largest(scores, ruler.loose)
    largest = int(np.abs(scores).argmax())
    directions["spread"] = np.where(np.arange(4) == largest, np.sign(scores), 0.0)
    leading = min(log_ps, key=lambda name: log_ps[name] - np.log(WEIGHTS[name]))
    direction = np.zeros(len(shift))
    direction[parts[leading]] = directions[leading]
    return Difference(log_of_best(log_ps, WEIGHTS), log_ps, leading, direction)


def noise_of(ruler: Ruler, features: Features) -> dict[str, Noise]:
    """What chance makes of the quadratic tests, measured on rows ``(n, k)``.

    On the rows of both samples where the ruler was fitted on both; on the window where it was fitted on a reference: a
    ruler's own rows look quieter to it than new ones. There, a few hundred rows are enough.
    """
    parts = ruler.slices()
    return {
        "mean": ruler.mean.noise(features[:, parts["mean"]]),
        "shape": ruler.shape.noise(features[:, parts["shape"]]),
    }


def weighed(shape: Ruler, x: NDArray[np.floating]) -> tuple[Ruler, Features]:
    """A shaped ruler whose distances are ranked among rows ``(n, d)`` and whose tests are weighed by them.

    Also the features of these rows, ``(n, k)``.
    """
    rows = shape.projection.apply(x)
    placed = replace(
        shape,
        ring_edges=np.unique(np.quantile(shape.clusters.place(rows)[1], _RINGS)),
        distances=np.sort(_distances(shape.projection, rows), axis=1),
    )
    features, parts = placed.apply(x), placed.slices()
    topics, rings = branches(placed.clusters.centroids), tails(len(placed.ring_edges) + 1)
    ruler = replace(
        placed,
        mean=fit_quadratic(features[:, parts["mean"]], of_noise=1.0),
        shape=fit_quadratic(features[:, parts["shape"]]),
        topics=Scan(topics, effective_number(features[:, parts["topics"]] @ topics)),
        novelty=Scan(rings, effective_number(features[:, parts["novelty"]] @ rings)),
        loose=effective_number(features[:, parts["spread"]]),
    )
    return ruler, features


def _shaped(x: NDArray[np.floating], *, waves: int, seed: int) -> Ruler:
    """Axes, clusters and frequencies of the rows; what is ranked and weighed is still empty."""
    projection = fit_projection(x)
    rows = projection.apply(x)
    random = np.random.default_rng(seed)
    white = (rows * projection.scales)[random.permutation(len(rows))[:1000]]
    apart = pdist(white)
    width = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    frequencies = random.standard_normal((rows.shape[1], waves // 2)) / width
    nothing, none = Quadratic(np.zeros((0, 0), dtype=np.float32)), Scan(np.zeros((0, 0)), 1.0)
    return Ruler(
        projection=projection,
        longest=_FARTHEST * max(float(np.median(np.linalg.norm(rows, axis=1))), 1e-12),
        waves=(frequencies * projection.scales[:, None]).astype(np.float32),
        clusters=fit_clusters(rows, seed=seed),
        ring_edges=np.zeros(0),
        distances=np.zeros((2, 0)),
        mean=nothing,
        shape=nothing,
        topics=none,
        novelty=none,
        loose=1.0,
    )


def _features(ruler: Ruler, x: NDArray[np.floating]) -> Features:
    """See ``Ruler.apply``."""
    rows = ruler.projection.apply(x)
    parts = ruler.slices()
    features: Features = np.zeros((len(rows), parts["novelty"].stop), dtype=np.float32)
    centred = np.subtract(x, ruler.projection.centre, out=features[:, parts["mean"]], casting="same_kind")
    length = np.linalg.norm(rows, axis=1)
    far = length > ruler.longest
    centred[far] *= (ruler.longest / length[far])[:, None]
    phase = rows @ ruler.waves
    half = phase.shape[1]
    waves = features[:, parts["shape"]]
    np.cos(phase, out=waves[:, :half])
    np.sin(phase, out=waves[:, half:])
    waves *= np.float32(1.0 / np.sqrt(half))
    for place, distance in enumerate(_distances(ruler.projection, rows)):
        score = _normal_score(ruler.distances[place], distance)
        features[:, parts["spread"].start + 2 * place] = score
        features[:, parts["spread"].start + 2 * place + 1] = (score**2 - 1.0) / np.sqrt(2.0)
    cluster, distance = ruler.clusters.place(rows)
    ring = np.searchsorted(ruler.ring_edges, distance, side="left")
    every = np.arange(len(rows))
    features[every, parts["topics"].start + cluster] = 1.0
    features[every, parts["novelty"].start + ring] = 1.0
    return features


def _distances(projection: Projection, rows: Features) -> Array:
    """Mahalanobis distance within the axes, and distance from their plane, ``(2, n)``."""
    inside = np.sqrt(np.einsum("ij,j->i", rows[:, :-1] ** 2, projection.scales[:-1] ** 2))
    return np.stack([inside, rows[:, -1]]).astype(np.float64)


def _normal_score(ordered: Array, values: Array) -> Array:
    """The normal score of each value's place among the ordered ones; ties share the middle of theirs."""
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.asarray(ndtri((0.5 * below + 0.5) / (len(ordered) + 1.0)))
