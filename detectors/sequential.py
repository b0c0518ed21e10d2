"""The sequential test: an e-CUSUM on pane sums, mean over bettors (e-detectors, Shin, Ramdas and Rinaldo, 2203.03532).

A bettor remembers past panes with one half-life and weighs the reference's axes in one way. From these alone it takes a
direction g and a bet λ, and a pane of n traces with mean shift ``z = ⟨g, mean φ − μ⟩`` multiplies its evidence by

    E = exp(n λ (z − τ) − (n / o) K(o λ)),    K(λ) = log E_ref exp(λ ⟨g, φ − μ⟩),    M ← max(M, 1) · E.

K is the reference's own cumulant (tighter than Bennett's bound, and exact for histograms), with one trace's worth of
mass moved to the largest value any trace can have, since the reference may have missed it. ``(n / o) K(o λ)`` is the
cumulant of n traces that come in blocks of o equal ones, which is how the over-dispersion o enters. τ is the tolerance
along g: how far another stretch as long as the reference would be off there, and the smallest effect of interest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.base import Array, Features, Labels, Sum
from detectors.reference import Reference

# Bettors are half-lives in traces × ridges. A direction is (Σ + ridge · s)⁻¹ S, where S is the shift remembered and
# s = tr Σ² / tr Σ the size of the leading variances: a small ridge is Fisher's direction, a large one that of S.
_HALF_LIVES = (16.0, 64.0, 256.0, 1024.0, 4096.0)
_RIDGES = (1.0, 0.1)

_PERIODS = 2.0  # a drift differs from the reference by more than another stretch of the same length would
_QUANTILE = 2.0  # of that difference: one such stretch in forty is further off
_STILL_AT = 20.0  # evidence from a new start that says that a drift goes on
_PATIENCE = 3.0  # times the traces that the alarm took
_LEAST_QUIET = 256.0  # traces
_LEAST_QUIET_PANES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Recovery:
    """A drift that has been reported, and how long nothing has confirmed it.

    Attributes:
        log_wealth: log M of each bettor since the drift was last confirmed, ``(b,)``.
        quiet: traces since then.
        quiet_panes: panes since then.
        patience: traces without confirmation that end the drift.
    """

    log_wealth: Array
    quiet: float
    quiet_panes: int
    patience: float


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """What one sequential test remembers: sums and odds, nothing per trace. ``b`` bettors, ``h`` half-lives.

    Attributes:
        totals: shifts in the reference's axes, fading with each half-life, ``(h, t)``.
        counts: traces in ``totals``, fading alike, ``(h,)``.
        squares: sum of the squared weights of those traces, ``(h,)``.
        log_wealth: log M of each bettor, ``(b,)``, the half-lives of one ridge side by side.
        steps: panes since M of each bettor last left 1, ``(b,)``.
        spans: traces in those panes, ``(b,)``.
        recovery: the reported drift, None when there is none.
    """

    totals: Features
    counts: Array
    squares: Array
    log_wealth: Array
    steps: Labels
    spans: Array
    recovery: Recovery | None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a monitor says after a pane.

    Attributes:
        log_e: log of the mean M over bettors; compare with ``log threshold``.
        drifted: whether this signal is drifting now, from the alarm until it clears.
        onset_steps: panes since M of the leading bettor last left 1: the drift began about there.
        direction: unit vector of the leading bettor, ``(k,)``, zero where not tested.
        effect: recent shift along it, less what noise explains.
        tolerance: shifts below this are no drift.
        spread: standard deviation of one trace along the direction.
    """

    log_e: float
    drifted: bool
    onset_steps: int
    direction: Array
    effect: float
    tolerance: float
    spread: float


@dataclass(frozen=True, slots=True, eq=False)
class _Aims:
    """What each bettor expects of the next pane: all arrays are ``(b,)`` but ``directions (b, t)``."""

    directions: Array
    effects: Array
    tolerances: Array
    variances: Array


def start(reference: Reference) -> Monitor:
    """A monitor that has seen nothing."""
    bettors = len(_HALF_LIVES) * len(_RIDGES)
    return Monitor(
        totals=np.zeros((len(_HALF_LIVES), reference.tested), dtype=np.float32),
        counts=np.zeros(len(_HALF_LIVES)),
        squares=np.zeros(len(_HALF_LIVES)),
        log_wealth=np.zeros(bettors),
        steps=np.zeros(bettors, dtype=np.int64),
        spans=np.zeros(bettors),
        recovery=None,
    )


def advance(monitor: Monitor, reference: Reference, pane: Sum, *, threshold: float) -> tuple[Monitor, Evidence]:
    """Fold one pane in. Pure: the bets come from earlier panes only; an empty pane changes nothing.

    A drift is reported when the mean of M over bettors reaches ``threshold``. Then a second M starts from 1; each time
    it reaches 20 the drift is confirmed and it starts anew. Without a confirmation in three times the traces that the
    alarm took (at least 256 traces and 4 panes) the drift is over, and the monitor starts again. A drift that lasts
    confirms itself in well under the traces that the alarm took, since 20 is far below any threshold.
    """
    aims = _aim(monitor, reference)
    if pane.n <= 0:
        return monitor, _evidence(monitor, reference, aims)
    rates, costs = _bet(reference, aims)
    shift = reference.shift(pane)
    gains = rates * (aims.directions @ shift - pane.n * aims.tolerances) - pane.n * costs
    # Far beyond the threshold more wealth says nothing more, and an overflow would.
    log_wealth = np.minimum(np.maximum(monitor.log_wealth, 0.0) + gains, np.log(threshold) + 20.0)
    fade = 0.5 ** (pane.n / np.array(_HALF_LIVES))
    moved = Monitor(
        totals=(fade[:, None] * monitor.totals + shift).astype(np.float32),
        counts=fade * monitor.counts + pane.n,
        squares=fade**2 * monitor.squares + pane.n,
        log_wealth=log_wealth,
        steps=np.where(log_wealth > 0, monitor.steps + 1, 0),
        spans=np.where(log_wealth > 0, monitor.spans + pane.n, 0.0),
        recovery=monitor.recovery,
    )
    if moved.recovery is not None:
        moved = _recover(moved, moved.recovery, reference, gains, pane.n)
        return moved, _evidence(moved, reference, _aim(moved, reference))
    aims = _aim(moved, reference)
    if _log_mean(log_wealth) >= np.log(threshold):
        patience = max(_PATIENCE * float(moved.spans[_leader(moved, aims)]), _LEAST_QUIET)
        moved = replace(moved, recovery=Recovery(np.zeros(len(gains)), 0.0, 0, patience))
    return moved, _evidence(moved, reference, aims)


def _aim(monitor: Monitor, reference: Reference) -> _Aims:
    """Directions, expected shifts and tolerances from what the monitor remembers.

    Two stretches of n traces differ by e with covariance 2Σ / n, and a direction chosen by looking at the shift S
    leans towards e. With H the weights of the axes, g = HS / |HS| and r = n / 2, and no drift, ``⟨g, e⟩`` given S has

        mean ⟨g, S⟩ m / (m + r) ≈ tr(HΣ) / (r |HS|)   and   variance gᵀΣg / (m + r)

    where m is how many traces the memory is worth. The second form of the mean excuses no large shift; its own
    variance is ``2 tr((HΣ)²) / (r |HS|)²``. To both comes Bernstein's ``b / r`` for what the reference never saw.
    """
    variances = reference.variances
    rows = reference.n / (_PERIODS * reference.over_dispersion)
    size = max(float((variances**2).sum() / max(variances.sum(), 1e-300)), 1e-4 * reference.bound**2)
    weights = np.stack([size / (variances + ridge * size) for ridge in _RIDGES])
    traces = (weights * variances).sum(axis=1)
    deviations = np.sqrt(2.0 * ((weights * variances) ** 2).sum(axis=1))
    shifts = monitor.totals / np.maximum(monitor.counts, 1e-9)[:, None]
    worth = np.maximum(monitor.counts**2 / np.maximum(monitor.squares, 1e-9), 1.0) / reference.over_dispersion

    aimed = weights[:, None, :] * shifts  # (ridges, h, t)
    lengths = np.maximum(np.linalg.norm(aimed, axis=2), 1e-12)
    directions = (aimed / lengths[:, :, None]).reshape(-1, len(variances))
    along = directions**2 @ variances
    seen = (aimed * shifts).sum(axis=2) / lengths
    noise = traces[:, None] / worth / lengths
    leaning = traces[:, None] / rows / lengths
    lean_error = deviations[:, None] / rows / lengths
    chance = _QUANTILE * np.sqrt(lean_error.ravel() ** 2 + along / np.tile(worth + rows, len(_RIDGES)))
    unseen = _QUANTILE**2 / 6.0 * reference.bound / rows
    tolerances = leaning.ravel() + chance + unseen + reference.smallest_effect * np.sqrt(along)
    return _Aims(directions, (seen - noise).ravel(), tolerances, along)


def _bet(reference: Reference, aims: _Aims) -> tuple[Array, Array]:
    """The bets that grow fastest if the shifts are as expected, and their costs per trace; zero where none is due.

    Starts from Bennett's closed form, which is too small, and keeps the Newton steps that improve on it.
    """
    rates, costs = np.zeros(len(aims.effects)), np.zeros(len(aims.effects))
    due = aims.effects > aims.tolerances
    if not due.any():
        return rates, costs
    block = reference.over_dispersion
    margins, variances = (aims.effects - aims.tolerances)[due], np.maximum(aims.variances[due], 1e-12)
    values, shares = _distribution(reference, aims.directions[due], variances)

    def moments(rate: Array) -> tuple[Array, Array, Array]:
        """Cumulant of a block at the rate, and its first two derivatives."""
        weights = shares * np.exp(np.minimum(rate * block * values, 100.0))
        total = weights.sum(axis=0)
        slope = (weights * values).sum(axis=0) / total
        return np.log(total) / block, slope, block * ((weights * values**2).sum(axis=0) / total - slope**2)

    best = np.log1p(values[-1] * margins / (variances + shares[-1] * values[-1] ** 2)) / (block * values[-1])
    cost, slope, curve = moments(best)
    for _ in range(2):
        rate = np.clip(best + (margins - slope) / np.maximum(curve, 1e-12), 0.0, 4.0 * best)
        step = moments(rate)
        better = rate * margins - step[0] > best * margins - cost
        best, cost = np.where(better, rate, best), np.where(better, step[0], cost)
        slope, curve = np.where(better, step[1], slope), np.where(better, step[2], curve)
    rates[due], costs[due] = best, cost
    return rates, costs


def _distribution(reference: Reference, directions: Array, variances: Array) -> tuple[Array, Array]:
    """Shifts of the atoms along each direction ``(r + 1, b)``, with the known mean and variance, and their shares.

    The last is the largest shift that any trace can have, with the share of one trace.
    """
    atoms = (reference.atoms @ directions.T.astype(np.float32)).astype(np.float64)
    atoms -= reference.shares @ atoms
    atoms *= np.sqrt(variances / np.maximum(reference.shares @ atoms**2, 1e-12))
    centre = (reference.mean[: reference.tested].astype(np.float32) @ reference.axes).astype(np.float64)
    largest = np.maximum(reference.bound - directions @ centre, atoms.max(axis=0))
    unseen = 1.0 / (reference.n + 1.0)
    return np.vstack([atoms, largest]), np.append(reference.shares * (1.0 - unseen), unseen)[:, None]


def _recover(monitor: Monitor, recovery: Recovery, reference: Reference, gains: Array, n: float) -> Monitor:
    """Confirm a reported drift, wait, or start again once nothing has confirmed it for long."""
    log_wealth = np.maximum(recovery.log_wealth, 0.0) + gains
    if _log_mean(log_wealth) >= np.log(_STILL_AT):
        confirmed = replace(recovery, log_wealth=np.zeros(len(gains)), quiet=0.0, quiet_panes=0)
        return replace(monitor, recovery=confirmed)
    quiet, quiet_panes = recovery.quiet + n, recovery.quiet_panes + 1
    if quiet >= recovery.patience and quiet_panes >= _LEAST_QUIET_PANES:
        return start(reference)
    waiting = replace(recovery, log_wealth=log_wealth, quiet=quiet, quiet_panes=quiet_panes)
    return replace(monitor, recovery=waiting)


def _evidence(monitor: Monitor, reference: Reference, aims: _Aims) -> Evidence:
    """What the monitor says now."""
    leader = _leader(monitor, aims)
    direction = np.zeros(len(reference.mean))
    direction[: reference.tested] = reference.axes @ aims.directions[leader]
    return Evidence(
        log_e=_log_mean(monitor.log_wealth),
        drifted=monitor.recovery is not None,
        onset_steps=int(monitor.steps[leader]),
        direction=direction,
        effect=float(aims.effects[leader]),
        tolerance=float(aims.tolerances[leader]),
        spread=float(np.sqrt(aims.variances[leader])),
    )


def _leader(monitor: Monitor, aims: _Aims) -> int:
    """Of the bettors with about the most evidence, the one that sees the clearest shift."""
    clearness = (aims.effects - aims.tolerances) / np.sqrt(np.maximum(aims.variances, 1e-12))
    leading = monitor.log_wealth > monitor.log_wealth.max() - 3.0
    return int(np.argmax(np.where(leading, clearness, -np.inf)))


def _log_mean(log_values: Array) -> float:
    """Log of the mean of the exponentials."""
    return float(np.logaddexp.reduce(log_values) - np.log(len(log_values)))
