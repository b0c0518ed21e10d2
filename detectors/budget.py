"""The false-alarm budget: one number for the whole installation, shared out by weight."""

from __future__ import annotations

from collections.abc import Mapping


def threshold(*, false_alarms: float, period_panes: float, weight: float) -> float:
    """The evidence at which a monitor of this weight alarms, for ``false_alarms`` per period over all monitors.

    An e-CUSUM that alarms at A has a mean time to a false alarm of at least A panes. The weighted mean of all monitors
    is one too, whatever their dependence, so ``A = period_panes / false_alarms`` for it and ``A / weight`` for each.

    >>> threshold(false_alarms=1, period_panes=43_200, weight=0.5)
    86400.0

    Args:
        false_alarms: how many are acceptable in one period.
        period_panes: panes of one monitor in that period.
        weight: this monitor's share of the budget, above 0, at most 1.
    """
    if false_alarms <= 0 or period_panes <= 0 or not 0 < weight <= 1:
        raise ValueError(
            f"expected positive false_alarms and period_panes and a weight in (0, 1], "
            f"got {false_alarms}, {period_panes} and {weight}"
        )
    return max(period_panes / false_alarms, 1.0) / weight


def weights(signals: Mapping[str, int], *, all_traffic: str) -> dict[str, float]:
    """The weight of one monitor of each watched segment: half for all traffic, half shared by the other segments.

    Whichever half has nobody goes to the other.

    >>> weights({"": 4, "build=a": 4, "build=b": 4}, all_traffic="")
    {'': 0.125, 'build=a': 0.0625, 'build=b': 0.0625}

    Args:
        signals: how many signals are watched in each segment.
        all_traffic: the segment that holds every trace.
    """
    watched = {segment: count for segment, count in signals.items() if count > 0}
    others = len(watched.keys() - {all_traffic})
    if others == 0 or all_traffic not in watched:
        return {segment: 1.0 / (len(watched) * count) for segment, count in watched.items()}
    return {segment: (0.5 if segment == all_traffic else 0.5 / others) / count for segment, count in watched.items()}
