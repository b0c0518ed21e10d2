"""The sequential test: an e-CUSUM on pane sums, mean over bettors (e-detectors, Shin, Ramdas and Rinaldo, 2203.03532).

A bettor remembers past panes with one half-life. From them alone it takes a direction g and a bet λ, and a pane of n
traces with mean shift ``z = ⟨g, mean φ − μ⟩`` multiplies its evidence by

    E = exp(n λ (z − τ) − (n / o) K(o λ)),    K(λ) = log E_ref exp(λ ⟨g, φ − μ⟩),    M ← max(M, 1) · E.

K is the reference's own cumulant (tighter than Bennett's bound, and exact for histograms), with one trace's worth of
mass moved to the largest value any trace can have, since the reference may have missed it. ``(n / o) K(o λ)`` is the
cumulant of n traces that come in blocks of o equal ones, which is how the over-dispersion o enters. τ is the tolerance
along g: the reference's own error there, and the smallest effect of interest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.base import Array, Features, Labels, Sum
from detectors.reference import Reference

HALF_LIVES = (16.0, 64.0, 256.0, 1024.0, 4096.0)

_ERROR_QUANTILE = 2.33  # of the reference's error along g: one reference in a hundred is further off
_CLEAR_AT = 100.0  # odds for "back to the reference" that end a drift


@dataclass(frozen=True, slots=True, eq=False)
class Recovery:
    """A drift that has been reported, and the evidence that it is over.

    Attributes:
        direction: of the drift when it was reported, ``(t,)``.
        effect: the shift along it that would still count as drift.
        log_odds: e-CUSUM of "no shift" against "this shift".
    """

    direction: Array
    effect: float
    log_odds: float


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """What one sequential test remembers: sums and odds, nothing per trace. ``h`` bettors, ``t`` tested features.

    Attributes:
        totals: sum of the features minus the reference mean, fading with each half-life, ``(h, t)``.
        counts: traces in ``totals``, fading alike, ``(h,)``.
        squares: sum of the squared weights of those traces, ``(h,)``.
        log_wealth: log M of each bettor, ``(h,)``.
        steps: panes since M of each bettor last left 1, ``(h,)``.
        recovery: the reported drift, None when there is none.
    """

    totals: Features
    counts: Array
    squares: Array
    log_wealth: Array
    steps: Labels
    recovery: Recovery | None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a pane brought.

    Attributes:
        log_e: log of the mean M over bettors; compare with ``log threshold``.
        drifted: whether this signal is drifting now, from the alarm until it clears.
        onset_steps: panes since M of the leading bettor last left 1: the drift began about there.
        direction: unit vector of the leading bettor, or of the reported drift, ``(k,)``, zero where not tested.
        effect: recent shift along it, with the share that noise explains taken off.
        tolerance: shifts below this are no drift.
    """

    log_e: float
    drifted: bool
    onset_steps: int
    direction: Array
    effect: float
    tolerance: float


@dataclass(frozen=True, slots=True, eq=False)
class _Aims:
    """What each bettor expects of the next pane: all arrays are ``(h,)`` but ``directions (h, t)``."""

    directions: Array
    effects: Array
    tolerances: Array
    variances: Array


def start(reference: Reference) -> Monitor:
    """A monitor that has seen nothing."""
    bettors = len(HALF_LIVES)
    return Monitor(
        totals=np.zeros((bettors, reference.tested), dtype=np.float32),
        counts=np.zeros(bettors),
        squares=np.zeros(bettors),
        log_wealth=np.zeros(bettors),
        steps=np.zeros(bettors, dtype=np.int64),
        recovery=None,
    )


def advance(monitor: Monitor, reference: Reference, pane: Sum, *, threshold: float) -> tuple[Monitor, Evidence]:
    """Fold one pane in. Pure: the bets come from earlier panes only; an empty pane changes nothing.

    A drift is reported when the mean of M over bettors reaches ``threshold``, and stays reported until an e-CUSUM in
    the opposite role, for "no shift" against "half the shift seen at the report", along the direction of the report,
    reaches odds of 100. Then all evidence starts again from 1.
    """
    aims = _aim(monitor, reference)
    if pane.n <= 0:
        return monitor, _evidence(monitor, reference, aims)
    rates, costs = _best_rates(reference, aims)
    shift = pane.total[: reference.tested] - pane.n * reference.mean[: reference.tested]
    gains = rates * (aims.directions @ shift - pane.n * aims.tolerances) - pane.n * costs
    # Beyond the threshold more wealth says nothing more, and an overflow would.
    log_wealth = np.minimum(np.maximum(monitor.log_wealth, 0.0) + gains, np.log(threshold) + 20.0)
    fade = 0.5 ** (pane.n / np.array(HALF_LIVES))
    moved = Monitor(
        totals=(fade[:, None] * monitor.totals + shift).astype(np.float32),
        counts=fade * monitor.counts + pane.n,
        squares=fade**2 * monitor.squares + pane.n,
        log_wealth=log_wealth,
        steps=np.where(log_wealth > 0, monitor.steps + 1, 0),
        recovery=monitor.recovery,
    )
    if moved.recovery is None:
        aims = _aim(moved, reference)
        moved = _report(moved, aims, threshold)
    else:
        moved = _recover(moved, reference, shift, pane.n)
        aims = _aim(moved, reference)
    return moved, _evidence(moved, reference, aims)


def _aim(monitor: Monitor, reference: Reference) -> _Aims:
    """Directions, expected shifts and tolerances from what the monitor remembers."""
    counts = np.maximum(monitor.counts, 1e-9)
    shifts = monitor.totals.astype(np.float64) / counts[:, None]
    lengths = np.linalg.norm(shifts, axis=1)
    directions = shifts / np.maximum(lengths, 1e-12)[:, None]
    spread = float(np.trace(reference.covariance)) * reference.over_dispersion
    seen = monitor.counts**2 / np.maximum(monitor.squares, 1e-9)  # traces that the memory is worth
    noise = spread / np.maximum(seen, 1.0)
    effects = np.maximum(lengths - (noise + spread / reference.n) / np.maximum(lengths, 1e-12), 0.0)
    variances = np.maximum(
        np.einsum("ht,ht->h", directions @ reference.covariance.astype(np.float64), directions), 1e-12
    )
    tolerances = _tolerances(reference, variances, lengths, seen)
    return _Aims(directions, effects, tolerances, variances)


def _tolerances(reference: Reference, variances: Array, lengths: Array, seen: Array) -> Array:
    """The reference's own error along directions that were chosen by looking at the shift, plus the smallest effect.

    Given a memory worth m traces with mean shift s, and no drift, the reference (n rows) is off by s·m/(m + n) on
    average, with covariance oΣ/(m + n). Under no drift |s| is not above its own noise, which caps the first term, so
    a large shift is not excused.
    """
    both = seen + reference.n
    spread = float(np.trace(reference.covariance)) * reference.over_dispersion
    dispersion = float((reference.covariance.astype(np.float64) ** 2).sum()) * reference.over_dispersion**2
    per_trace = 1.0 / np.maximum(seen, 1.0) + 1.0 / reference.n
    # Mean and standard deviation of |s|², from the first two moments of a Gaussian quadratic form.
    noise = np.sqrt((spread + _ERROR_QUANTILE * np.sqrt(2.0 * dispersion)) * per_trace)
    learned = np.minimum(lengths, noise) * seen / both
    chance = _ERROR_QUANTILE * np.sqrt(reference.over_dispersion * variances / both)
    return np.asarray(learned + chance + reference.smallest_effect * np.sqrt(variances))


def _best_rates(reference: Reference, aims: _Aims) -> tuple[Array, Array]:
    """The bet that grows fastest if the shift is as expected, and its cost per trace.

    Starts from Bennett's closed form, which is too small, and takes two Newton steps on the reference's cumulant.
    """
    block = reference.over_dispersion
    directions, variances = aims.directions, aims.variances
    atoms = reference.atoms.astype(np.float64) @ directions.T
    atoms -= reference.shares @ atoms
    atoms *= np.sqrt(variances / np.maximum(reference.shares @ atoms**2, 1e-12))
    largest = reference.bound - directions @ reference.mean[: reference.tested]
    values = block * np.vstack([atoms, np.maximum(largest, atoms.max(axis=0))])
    unseen = 1.0 / (reference.n + 1.0)
    shares = np.append(reference.shares * (1.0 - unseen), unseen)[:, None]
    margins = np.maximum(aims.effects - aims.tolerances, 0.0)
    first = np.log1p(values[-1] / block * margins / variances) / values[-1]
    rates = first
    for _ in range(2):
        weights = shares * np.exp(np.minimum(rates * values, 50.0))
        weights /= weights.sum(axis=0)
        slope = (weights * values).sum(axis=0)
        curve = (weights * values**2).sum(axis=0) - slope**2
        rates = np.clip(rates + (block * margins - slope) / np.maximum(curve, 1e-12), 0.0, 4.0 * first)
    costs = np.log((shares * np.exp(np.minimum(rates * values, 50.0))).sum(axis=0)) / block
    return rates, costs


def _report(monitor: Monitor, aims: _Aims, threshold: float) -> Monitor:
    """Open a drift when the evidence reaches the threshold."""
    if _log_mean(monitor.log_wealth) < np.log(threshold):
        return monitor
    leader = int(np.argmax(monitor.log_wealth))
    effect = 0.5 * max(float(aims.effects[leader]), float(aims.tolerances[leader]))
    return replace(monitor, recovery=Recovery(aims.directions[leader], effect, 0.0))


def _recover(monitor: Monitor, reference: Reference, shift: Array, n: float) -> Monitor:
    """Gather evidence that a reported drift is over, and start again when there is enough."""
    recovery = monitor.recovery
    assert recovery is not None
    variance = float(recovery.direction @ reference.covariance @ recovery.direction) * reference.over_dispersion
    gain = recovery.effect * (0.5 * n * recovery.effect - float(recovery.direction @ shift)) / max(variance, 1e-12)
    log_odds = max(recovery.log_odds, 0.0) + gain
    if log_odds < np.log(_CLEAR_AT):
        return replace(monitor, recovery=replace(recovery, log_odds=log_odds))
    return start(reference)


def _evidence(monitor: Monitor, reference: Reference, aims: _Aims) -> Evidence:
    """What the monitor says now."""
    leader = int(np.argmax(monitor.log_wealth))
    direction = np.zeros(len(reference.mean))
    direction[: reference.tested] = aims.directions[leader]
    return Evidence(
        log_e=_log_mean(monitor.log_wealth),
        drifted=monitor.recovery is not None,
        onset_steps=int(monitor.steps[leader]),
        direction=direction,
        effect=float(aims.effects[leader]),
        tolerance=float(aims.tolerances[leader]),
    )


def _log_mean(log_values: Array) -> float:
    """Log of the mean of the exponentials."""
    return float(np.logaddexp.reduce(log_values) - np.log(len(log_values)))
