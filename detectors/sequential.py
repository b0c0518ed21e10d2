"""The sequential test: fading sums of several memories, tested together pane after pane, by one calibrated evidence.

A memory of half-life h keeps ``S = Σ_i a_i (φ_i − μ)`` with weights a that fade as traces come. Without change the mean
shift ``S / Σ a`` varies along each axis by one trace's variance times

    c = o Σ a² / (Σ a)²  +  2 / n  +  δ² / d

where o is the dispersion at that memory (and a standard error of the variance), n the reference's own traces (a drift
differs from the reference by more than another stretch of its length would) and δ the smallest effect of interest,
spread over d dimensions. Each form of each view of the shift so standardised gives a surprise ``−log p`` (``forms``),
each surprise has a prior weight, and

    evidence = log Σ weight / p   (a weighted harmonic mean of p-values, Wilson, PNAS 2019)

is reached or passed by chance about once in exp(evidence) panes, whatever the reference: what is left of a difference
is measured by replaying panes without change (``replay``) and set right by the reference's offset and slope. Rates of
false alarms of several monitors add, whatever their dependence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from detectors.base import Array, Features, Labels, WatchedMap
from detectors.forms import Cumulants, dimensions, form_weights, priors, surprise
from detectors.reference import Reference

_PERIODS = 2.0
_STILL_AT = 5.0  # evidence from a new start that says that a drift goes on: by chance once in 150 panes
_PATIENCE = 3.0  # times the traces that the alarm took
_LEAST_QUIET = 256.0  # traces
_LEAST_QUIET_PANES = 4
_LARGE = 4.0  # surprises below this need no second look
_AGES = 110  # up to 1.1^109 = 32,000 traces


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """References of m monitors of one map, side by side; see ``Reference`` for the names."""

    map: WatchedMap
    n: Array
    mean: Array
    weights: Features
    priors: Array
    cumulants: Cumulants
    half_lives: Array
    dispersion: Features
    unit: Array
    tolerance: Features
    variances: Features
    jumps: Features
    offset: Array
    slope: Array

    def __len__(self) -> int:
        return len(self.n)

    def take(self, rows: Labels) -> Bank:
        """The monitors at ``rows``."""
        kept = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name not in ("map", "priors", "cumulants")
        }
        parts = self.cumulants
        chosen = Cumulants(parts.gaussian[rows], parts.few[rows], parts.fewer[rows])
        return Bank(map=self.map, priors=self.priors, cumulants=chosen, **kept)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What m monitors remember: sums and counts, nothing per trace. h memories, t turned features.

    Attributes:
        sums: faded shifts, ``(m, h, t)``.
        counts: ``Σ a``, ``(m, h)``.
        squares: ``Σ a²``, ``(m, h)``.
        fourths: ``Σ a⁴``, ``(m, h)``.
        steps: panes since the onset of a reported drift, ``(m,)``.
        patience: of a reported drift, the traces without confirmation that end it; zero where none is, ``(m,)``.
        quiet: traces since the drift was last confirmed, ``(m,)``.
        quiet_panes: panes since then, ``(m,)``.
        peak: the most evidence there was for the drift, ``(m,)``.
    """

    sums: Features
    counts: Array
    squares: Array
    fourths: Array
    steps: Labels
    patience: Array
    quiet: Array
    quiet_panes: Labels
    peak: Array

    @property
    def drifting(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which monitors have a reported drift, ``(m,)``."""
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = self.patience > 0
        return found

    def take(self, rows: Labels) -> Memory:
        """The monitors at ``rows``."""
        return Memory(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What m monitors say after a pane.

    Attributes:
        log_e: the evidence; compare with ``log threshold``. While a drift is reported, the most there was for it.
        drifted: whether the signal is drifting now, from the alarm until it clears.
        onset_steps: of a reported drift, the panes that it has lasted; zero where there is none.
        leader: form with the most to say, ``(m,)``.
        gradient: along which the leading form grows, in turned features, a unit vector, ``(m, t)``.
    """

    log_e: Array
    drifted: np.ndarray[tuple[int], np.dtype[np.bool_]]
    onset_steps: Labels
    leader: Labels
    gradient: Array


def bank(feature_map: WatchedMap, references: Sequence[Reference]) -> Bank:
    """The references of monitors of one map side by side."""
    views = feature_map.views
    tested = feature_map.tested
    return Bank(
        map=feature_map,
        n=np.array([float(reference.n) for reference in references]),
        mean=np.stack([reference.mean[:tested] for reference in references]),
        weights=np.stack([form_weights(views, reference.variances) for reference in references]).astype(np.float32),
        priors=priors(views),
        cumulants=Cumulants(
            np.stack([reference.cumulants.gaussian for reference in references]),
            np.stack([reference.cumulants.few for reference in references]),
            np.stack([reference.cumulants.fewer for reference in references]),
        ),
        half_lives=np.stack([reference.half_lives for reference in references]),
        dispersion=np.stack([reference.dispersion * reference.doubt for reference in references]).astype(np.float32),
        unit=np.array([reference.unit for reference in references]),
        tolerance=np.stack(
            [reference.smallest_effect**2 / dimensions(views, reference.variances) for reference in references]
        ).astype(np.float32),
        variances=np.stack([reference.variances for reference in references]).astype(np.float32),
        jumps=np.stack([reference.jumps for reference in references]).astype(np.float32),
        offset=np.array([reference.offset for reference in references]),
        slope=np.array([reference.slope for reference in references]),
    )


def start(monitors: Bank) -> Memory:
    """Monitors that have seen nothing."""
    m, h, t = monitors.dispersion.shape
    return Memory(
        sums=np.zeros((m, h, t), dtype=np.float32),
        counts=np.zeros((m, h)),
        squares=np.zeros((m, h)),
        fourths=np.zeros((m, h)),
        steps=np.zeros(m, dtype=np.int64),
        patience=np.zeros(m),
        quiet=np.zeros(m),
        quiet_panes=np.zeros(m, dtype=np.int64),
        peak=np.zeros(m),
    )


def advance(monitors: Bank, memory: Memory, totals: Array, n: Array, *, thresholds: Array) -> tuple[Memory, Evidence]:
    """Fold a pane of each monitor in: ``n (m,)`` traces, all positive, whose tested features add to ``totals (m, k)``.

    A drift is reported when the evidence reaches the log of the threshold. Then the memory starts anew; each time the
    evidence reaches 5 the drift is confirmed and the memory starts anew again. Without a confirmation in three
    times the traces that the alarm took (at least 256 traces and 4 panes) the drift is over.
    """
    faded = _fade(monitors, memory, totals, n)
    log_e, leader, gradient = _evidence(monitors, faded)
    drifting = memory.drifting
    alarmed = ~drifting & (log_e >= np.log(thresholds))
    confirmed = drifting & (log_e >= _STILL_AT)
    quiet = np.where(confirmed | alarmed, 0.0, memory.quiet + n)
    quiet_panes = np.where(confirmed | alarmed, 0, memory.quiet_panes + 1)
    over = drifting & ~confirmed & (quiet >= memory.patience) & (quiet_panes >= _LEAST_QUIET_PANES)
    ages = np.where(alarmed, onset_age(monitors, faded, gradient), n) if alarmed.any() else n
    patience = np.where(alarmed, np.maximum(_PATIENCE * ages, _LEAST_QUIET), memory.patience)
    steps = np.where(drifting, memory.steps + 1, np.where(alarmed, np.ceil(ages / n - 0.5).astype(np.int64), 0))
    peak = np.maximum(memory.peak, np.where(drifting | alarmed, log_e, 0.0))
    afresh = alarmed | confirmed | over
    moved = Memory(
        sums=np.where(afresh[:, None, None], np.float32(0.0), faded.sums),
        counts=np.where(afresh[:, None], 0.0, faded.counts),
        squares=np.where(afresh[:, None], 0.0, faded.squares),
        fourths=np.where(afresh[:, None], 0.0, faded.fourths),
        steps=np.where(over, 0, np.maximum(steps, alarmed)),
        patience=np.where(over, 0.0, patience),
        quiet=quiet,
        quiet_panes=quiet_panes,
        peak=np.where(over, 0.0, peak),
    )
    told = np.where(moved.drifting, peak, log_e)
    return moved, Evidence(told, moved.drifting, moved.steps, leader, gradient)


def onset_age(monitors: Bank, memory: Memory, gradient: Array) -> Array:
    """How many traces ago the shift along ``gradient (m, t)`` began, ``(m,)``: where all memories agree on its size.

    A shift by s that began k traces ago shows as ``s (1 − 2^(−k / h))`` in a memory of half-life h that is full; k is
    found by least squares over the memories, on a grid of ratio 1.1.
    """
    ages = 1.1 ** np.arange(_AGES)
    along = np.einsum("mht,mt->mh", memory.sums, gradient)[:, None] / memory.counts[:, None]
    within = 1.0 - 0.5 ** (ages[:, None] / monitors.half_lives[:, None])
    share = np.minimum(monitors.half_lives[:, None] / np.log(2.0) * within / memory.counts[:, None], 1.0)  # (m, a, h)
    weight = (memory.counts**2 / memory.squares)[:, None]
    explained = (weight * along * share).sum(axis=2) ** 2 / (weight * share**2).sum(axis=2)
    found: Array = ages[explained.argmax(axis=1)]
    return found


def _fade(monitors: Bank, memory: Memory, totals: Array, n: Array) -> Memory:
    """The memories with a pane added."""
    # Beyond the mean there is little, which single precision holds.
    shift = monitors.map.turn(totals - n[:, None] * monitors.mean).astype(np.float32)
    fade = 0.5 ** (n[:, None] / monitors.half_lives)
    return Memory(
        sums=fade.astype(np.float32)[:, :, None] * memory.sums + shift[:, None, :],
        counts=fade * memory.counts + n[:, None],
        squares=fade**2 * memory.squares + n[:, None],
        fourths=fade**4 * memory.fourths + n[:, None],
        steps=memory.steps,
        patience=memory.patience,
        quiet=memory.quiet,
        quiet_panes=memory.quiet_panes,
        peak=memory.peak,
    )


def _evidence(monitors: Bank, memory: Memory) -> tuple[Array, Labels, Array]:
    """The evidence ``(m,)``, the form that leads, and the unit gradient of that form ``(m, t)``."""
    spread = memory.squares / memory.counts**2
    allowed = (_PERIODS / monitors.n).astype(np.float32)[:, None, None] * monitors.dispersion[:, -1:]
    variance = monitors.dispersion * spread.astype(np.float32)[:, :, None] + allowed + monitors.tolerance[:, None]
    variance *= (memory.counts**2).astype(np.float32)[:, :, None]
    standard = memory.sums / np.sqrt(variance)
    forms = np.matmul(standard**2, monitors.weights.transpose(0, 2, 1)).astype(np.float64)  # (m, h, r)
    # What the traces bring is of few independent units, one at least; what is allowed for is not.
    share = spread / (spread + _PERIODS / monitors.n[:, None])
    fewness = np.minimum(monitors.unit[:, None] * memory.fourths / memory.squares**2, 1.0) * share**2
    parts = monitors.cumulants
    each = fewness[:, :, None, None]
    cumulants = parts.gaussian[:, None] + each * parts.few[:, None] + each**2 * parts.fewer[:, None]
    # A unit unlike all of the reference is as surprising as one in so many, and no more.
    seen = np.maximum(memory.squares**2 / memory.fourths / monitors.unit[:, None], 1.0)
    most = seen * np.log1p(monitors.n / monitors.unit)[:, None]
    surprises = np.minimum(surprise(forms, cumulants), most[:, :, None])
    large = np.flatnonzero(surprises.max(axis=(1, 2)) > _LARGE)
    if large.size:
        surprises[large] = np.minimum(
            surprises[large], _rates(monitors.take(large), memory.sums[large], variance[large])
        )
    surprises += np.log(monitors.priors / forms.shape[1])
    flat = surprises.reshape(len(surprises), -1)
    leader = flat.argmax(axis=1)
    log_e = monitors.slope * (np.logaddexp.reduce(flat, axis=1) - monitors.offset)
    rows = np.arange(len(flat))
    form = leader % forms.shape[2]
    gradient = monitors.weights[rows, form] * standard[rows, leader // forms.shape[2]]
    lengths = np.linalg.norm(gradient, axis=1, keepdims=True)
    return log_e, form, gradient / np.maximum(lengths, 1e-30)


def _rates(monitors: Bank, sums: Features, variance: Features) -> Array:
    """What the tail of a quadratic form is at most: its shifts have that surprise themselves, ``(m, h, r)``.

    The rate function of independent sums with the variance and the third cumulant of each axis (Bennett's, JASA 1962)
    and the factor before it of a Gaussian tail. Q ≥ q has at least the probability of the one shift that was seen, so
    no surprise is larger; where an axis is a rare share, three cumulants of Q alone make it so.
    """
    own = np.maximum(variance * monitors.variances[:, None], 1e-30)
    jumps = monitors.jumps[:, None] * monitors.dispersion  # what hangs together jumps together
    steep = jumps * sums / own
    gaussian = sums**2 / own
    bent = np.maximum(steep, 1e-2)
    factor = np.where(steep > 1e-2, 2.0 * ((1.0 + bent) * np.log1p(bent) - bent) / bent**2, 1.0)
    rates = np.matmul(0.5 * gaussian * factor, (monitors.weights > 0).transpose(0, 2, 1)).astype(np.float64)
    found: Array = rates + 0.5 * np.log1p(4.0 * np.pi * rates)
    return found
