"""How severe a drift is: by how large its shift surely is, and by how far the evidence goes beyond the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import get_args

from monitor.model.alert import Severity
from monitor.model.diagnosis import Size
from monitor.model.verdict import Verdict

# A small and a large shift, in standard deviations (Cohen, Statistical Power Analysis, 1988, section 2.2).
SMALL, LARGE = 0.2, 0.8
# With so much evidence the alarm would have come at a tenth of the false-alarm budget, too.
BEYOND = log(10.0)


def severity(drifting: Sequence[Verdict], sizes: Mapping[str, Size]) -> Severity:
    """``critical``, ``warning`` or ``info``, by the drifting signal that weighs most.

    The size is the lower limit of a signal's shift in standard deviations before, so what is not known well is not
    called large. ``critical`` is surely large, with evidence for a tenth of the false-alarm budget; ``info`` is not
    surely small but less. Where too few traces are there to compare, no size is known, and it is ``warning``.
    """
    if not sizes:
        return "warning"
    found: list[Severity] = [_of(verdict, sizes[verdict.signal]) for verdict in drifting if verdict.signal in sizes]
    return worst(found)


def _of(verdict: Verdict, size: Size) -> Severity:
    if size.shift.low >= LARGE and verdict.log_e - verdict.log_threshold >= BEYOND:
        return "critical"
    return "warning" if size.shift.low >= SMALL else "info"


def worst(found: Sequence[Severity]) -> Severity:
    """The highest of some severities; ``info`` of none."""
    order: tuple[Severity, ...] = get_args(Severity)
    return max(found, key=order.index, default="info")
