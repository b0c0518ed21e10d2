"""Two sets of scored traces to a comparison."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from detectors.multiplicity import benjamini_hochberg
from monitor.comparing.cases import pairs
from monitor.comparing.signals import Measured, measured
from monitor.comparing.telling import sentence
from monitor.errors import Permanent
from monitor.model.comparison import Comparison, Finding, Given, Side
from monitor.model.scored import Scored
from monitor.model.signal import KINDS, Column


def compare(
    before: Given, now: Given, *, alpha: float = 0.05, signals: Collection[str] | None = None, seed: int = 0
) -> Comparison:
    """Compare two sides.

    Args:
        before: what is compared with.
        now: what is compared.
        alpha: the share of false ones among the signals that are said to have changed.
        signals: those to compare; None for all that either side has.
        seed: of the sampling of sessions, of the maps and of the resampling.

    Raises:
        Permanent: a side has no traces, or none of the signals.
    """
    for given in (before, now):
        if not len(given.scored):
            raise Permanent(f"{given.name}: there are no traces")
    first, second = (replace(given, scored=independent(given.scored, seed=seed)) for given in (before, now))
    wanted = [name for name in comparable(first.scored, second.scored) if signals is None or name in signals]
    if not wanted:
        raise Permanent("no signal to compare has a value on either side")
    found = [measured(name, first.scored.columns[name], second.scored.columns[name], seed=seed) for name in wanted]
    findings = judged(found, first, second, alpha)
    sides = side_of(before, first), side_of(now, second)
    return Comparison(*sides, alpha, findings, sentence(*sides, findings))


def independent(scored: Scored, *, seed: int) -> Scored:
    """One trace of each session, chosen at random, and every trace without a session.

    Traces of one session resemble each other; to count each would take one person's day for a change of the service.
    """
    order = np.random.default_rng(seed).permutation(len(scored)).tolist()
    kept: dict[object, int] = {}
    for place in order:
        trace = scored.traces[place].trace
        session = trace.segment.session_id
        kept.setdefault(place if session is None else (trace.segment.tenant, session), place)
    return scored if len(kept) == len(scored) else scored.at(sorted(kept.values()))


def comparable(before: Scored, now: Scored) -> list[str]:
    """The signals that both sides have a column of and either side a value."""
    return [
        name
        for name in KINDS
        if name in before.columns
        and name in now.columns
        and (valued(before.columns[name]) or valued(now.columns[name]))
    ]


def valued(column: Column) -> bool:
    """Whether the column holds any value."""
    if isinstance(column, np.ndarray):
        return bool(np.isfinite(column).any())
    return any(label is not None for label in column)


def judged(found: Sequence[Measured], before: Given, now: Given, alpha: float) -> list[Finding]:
    """The verdicts, adjusted over all signals with enough traces; what changed first, the clearest first."""
    tested = [place for place, item in enumerate(found) if item.finding.verdict != "too few traces"]
    adjusted = benjamini_hochberg(np.array([found[place].finding.log_p for place in tested]))
    findings = [item.finding for item in found]
    for place, log_adjusted in zip(tested, adjusted.tolist(), strict=True):
        findings[place] = replace(findings[place], log_adjusted=log_adjusted)
        if log_adjusted <= np.log(alpha):
            shown = pairs(found[place], before, now)
            findings[place] = replace(findings[place], verdict="changed", pairs=shown)
    return sorted(findings, key=lambda finding: (finding.verdict != "changed", finding.log_p))


def side_of(given: Given, tested: Given) -> Side:
    """What is said of a side as a whole."""
    times = [item.trace.time for item in given.scored.traces]
    span = (min(times), max(times)) if given.timed else (None, None)
    return Side(given.name, len(given.scored), len(tested.scored), *span)
