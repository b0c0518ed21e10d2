"""What the values of a signal look like, and what a change does to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr, stdtrit

from benchmarks.drift.traffic import Array, Labels, Latents

Kind = Literal["scalar", "category", "vector", "relation"]


@dataclass(frozen=True, slots=True)
class Change:
    """One way to differ from the reference.

    Attributes:
        kind: ``shift`` and ``scale`` of numbers; ``rate`` of what is rare; ``mix``: this share moves to one known
            topic or category; ``novel``: this share is of a topic that no reference has; for vectors a shift along
            one direction, by this many of its standard deviations (``along_high``, ``along_low``) or of this length
            in a direction drawn by chance (``isotropic``), and the ``spread`` about the topic's centre.
        size: a factor for scale, rate and spread; a share for mix and novel; else standard deviations or a length.
    """

    kind: Literal["shift", "scale", "rate", "mix", "novel", "along_high", "along_low", "isotropic", "spread"]
    size: float

    @property
    def name(self) -> str:
        """As it stands in the tables."""
        told = {
            "shift": f"mean {self.size:+g}σ",
            "scale": f"scale ×{self.size:.2g}",
            "rate": f"rate ×{self.size:g}",
            "mix": f"mix {self.size:.0%}",
            "novel": f"novel {self.size:.0%}",
            "along_high": f"high-variance direction {self.size:g}σ",
            "along_low": f"low-variance direction {self.size:g}σ",
            "isotropic": f"isotropic {self.size:g}",
            "spread": f"spread {self.size - 1.0:+.0%}",
        }
        return told[self.kind]


class Law(Protocol):
    """The law of one signal."""

    @property
    def name(self) -> str:
        """As it stands in the tables."""
        ...

    @property
    def kind(self) -> Kind:
        """Numbers or codes of categories ``(n,)``, vectors ``(n, d)``, or pairs of them ``(n, 2d)``."""
        ...

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that are measured on it."""
        ...

    def draw(self, latents: Latents, random: np.random.Generator, change: Change | None) -> NDArray[np.generic]:
        """The column of values."""
        ...


_SHIFTS = tuple(Change("shift", size) for size in (-0.5, 0.25, 0.5, 1.0))
_SCALES = (Change("scale", 1.5), Change("scale", 1 / 1.5))


@dataclass(frozen=True, slots=True)
class Continuous:
    """A normal or Student t number b, shown as itself or as ``exp(1 + b / 2)``. Changes act on b.

    Attributes:
        freedom: degrees of freedom of Student's t; None is normal.
        exponential: whether the exponential is shown.
    """

    name: str
    freedom: float | None = None
    exponential: bool = False
    kind: Kind = "scalar"
    changes: tuple[Change, ...] = _SHIFTS + _SCALES

    @property
    def deviation(self) -> float:
        """Standard deviation of b."""
        return 1.0 if self.freedom is None else float(np.sqrt(self.freedom / (self.freedom - 2.0)))

    def draw(self, latents: Latents, random: np.random.Generator, change: Change | None) -> Array:
        """See ``Law``."""
        base = latents.level if self.freedom is None else stdtrit(self.freedom, ndtr(latents.level))
        shift, scale = self.moved(change)
        base = shift + scale * base
        return np.exp(1.0 + base / 2.0) if self.exponential else base

    def log_ratio(self, column: Array, change: Change) -> Array:
        """Log-likelihood ratio of each value, changed against unchanged."""
        base = 2.0 * (np.log(column) - 1.0) if self.exponential else column
        shift, scale = self.moved(change)
        return self._log_density((base - shift) / scale) - np.log(scale) - self._log_density(base)

    def moved(self, change: Change | None) -> tuple[float, float]:
        """Shift and scale of b."""
        if change is None:
            return 0.0, 1.0
        return (change.size * self.deviation, 1.0) if change.kind == "shift" else (0.0, change.size)

    def _log_density(self, base: Array) -> Array:
        """Up to a constant."""
        if self.freedom is None:
            return -0.5 * base**2
        return -0.5 * (self.freedom + 1.0) * np.log1p(base**2 / self.freedom)


@dataclass(frozen=True, slots=True, eq=False)
class Discrete:
    """Finitely many values with known shares.

    Attributes:
        shares: of the values 0, 1, 2, …, adding to one.
        rare: values whose shares a change of rate multiplies.
    """

    name: str
    kind: Kind
    shares: Array
    rare: Labels
    changes: tuple[Change, ...]

    def draw(self, latents: Latents, random: np.random.Generator, change: Change | None) -> Labels | Array:
        """See ``Law``."""
        shares = self.changed(change)
        codes = np.searchsorted(np.cumsum(shares)[:-1], ndtr(latents.topic), side="right")
        return codes.astype(np.float64) if self.kind == "scalar" else codes

    def changed(self, change: Change | None) -> Array:
        """The shares after a change; a value that no reference has comes last."""
        shares = np.append(self.shares, 0.0)
        if change is None:
            return shares
        if change.kind == "rate":
            before = shares[self.rare].sum()
            shares[self.rare] *= change.size
            others = np.setdiff1d(np.arange(len(self.shares)), self.rare)
            shares[others] *= (1.0 - change.size * before) / (1.0 - before)
            return shares
        into = -1 if change.kind == "novel" else len(self.shares) // 2
        shares *= 1.0 - change.size
        shares[into] += change.size
        return shares

    def log_ratio(self, column: NDArray[np.generic], change: Change) -> Array:
        """Log-likelihood ratio of each value, changed against unchanged; a value that no reference has counts 50."""
        before, after = self.changed(None), self.changed(change)
        ratios = np.log(np.maximum(after, 1e-300)) - np.log(np.maximum(before, 1e-300))
        return np.clip(ratios, -50.0, 50.0)[column.astype(np.int64)]


_MIXES = tuple(Change("mix", share) for share in (0.05, 0.10, 0.20))
_NOVELTIES = tuple(Change("novel", share) for share in (0.02, 0.05, 0.10))
VECTOR_CHANGES = (
    Change("along_high", 0.5),
    Change("along_low", 0.5),
    Change("isotropic", 0.03),
    *_MIXES,
    *_NOVELTIES,
    Change("spread", 1.06),
    Change("spread", 0.94),
)


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Unit vectors ``(d,)`` of a law, and the standard deviation of its vectors along them."""

    high: Array
    high_deviation: float
    low: Array
    low_deviation: float
    isotropic: Array

    @staticmethod
    def of(sample: NDArray[np.floating]) -> Directions:
        """The first principal axis of ``(n, d)`` vectors, the one whose variance is the median, and a random one."""
        variances, axes = np.linalg.eigh(np.cov(sample, rowvar=False, dtype=np.float64))
        middle = len(variances) // 2
        random = np.random.default_rng(0).standard_normal(len(variances))
        return Directions(
            high=axes[:, -1],
            high_deviation=float(np.sqrt(variances[-1])),
            low=axes[:, middle],
            low_deviation=float(np.sqrt(variances[middle])),
            isotropic=random / np.linalg.norm(random),
        )

    def shift(self, change: Change | None) -> Array | None:
        """What a change adds to every vector; None when it adds nothing."""
        match change.kind if change else None:
            case "along_high":
                return change.size * self.high_deviation * self.high
            case "along_low":
                return change.size * self.low_deviation * self.low
            case "isotropic":
                return change.size * self.isotropic
            case _:
                return None


@dataclass(frozen=True, eq=False)
class Topics:
    """Synthetic embeddings: a topic's centre, a unit vector, and normal noise of length about 1.08, then normalised.

    The last centre is in no reference.
    """

    name: str = "topic embeddings"
    dimension: int = 384
    topics: int = 20
    kind: Kind = "vector"
    changes: tuple[Change, ...] = VECTOR_CHANGES
    noise: float = 1.08

    @cached_property
    def centres(self) -> NDArray[np.float32]:
        """``(topics + 1, d)``."""
        centres = np.random.default_rng(0).standard_normal((self.topics + 1, self.dimension))
        return (centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32)

    @cached_property
    def directions(self) -> Directions:
        """From 20,000 vectors."""
        random = np.random.default_rng(1)
        return Directions.of(self._vectors(random.integers(0, self.topics, 20_000), random, 1.0, None))

    def draw(self, latents: Latents, random: np.random.Generator, change: Change | None) -> NDArray[np.float32]:
        """See ``Law``."""
        topic = np.minimum((ndtr(latents.topic) * self.topics).astype(np.int64), self.topics - 1)
        topic = redirected(topic, random, change, known=self.topics // 2, novel=self.topics)
        spread = change.size if change and change.kind == "spread" else 1.0
        return self._vectors(topic, random, spread, self.directions.shift(change))

    def _vectors(
        self, topic: Labels, random: np.random.Generator, spread: float, shift: Array | None
    ) -> NDArray[np.float32]:
        vectors = random.standard_normal((len(topic), self.dimension), dtype=np.float32)
        vectors *= np.float32(spread * self.noise / np.sqrt(self.dimension))
        vectors += self.centres[topic]
        return normalised(vectors, shift)


def redirected(topic: Labels, random: np.random.Generator, change: Change | None, *, known: int, novel: int) -> Labels:
    """The topics after a change of mix or of novelty."""
    if change is None or change.kind not in ("mix", "novel"):
        return topic
    moved = random.random(len(topic)) < change.size
    return np.where(moved, known if change.kind == "mix" else novel, topic)


def normalised(vectors: NDArray[np.float32], shift: Array | None) -> NDArray[np.float32]:
    """Unit vectors ``(n, d)``, shifted and made unit vectors again."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors if shift is None else normalised(vectors + shift.astype(np.float32), None)


def _counts() -> Array:
    """Shares of 0 … 20: four fifths are zero, the rest one more than a Poisson number of mean 3."""
    k = np.arange(20)
    poisson = np.exp(k * np.log(3.0) - 3.0 - gammaln(k + 1.0))
    return np.append(0.8, 0.2 * poisson / poisson.sum())


def _zipf(categories: int) -> Array:
    shares = 1.0 / np.arange(1, categories + 1)
    return shares / shares.sum()


_DOUBLED = Change("rate", 2.0)

SCALARS: tuple[Continuous | Discrete, ...] = (
    Continuous("normal"),
    Continuous("lognormal latency", exponential=True),
    Continuous("Student t3", freedom=3.0),
    Discrete("zero-inflated count", "scalar", _counts(), np.arange(1, 21), (_DOUBLED,)),
    Discrete("rare category, 1 %", "category", np.array([0.99, 0.01]), np.array([1]), (_DOUBLED,)),
    Discrete("20 categories", "category", _zipf(20), np.array([19]), (_DOUBLED, *_MIXES, *_NOVELTIES)),
)
