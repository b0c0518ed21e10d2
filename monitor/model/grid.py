"""The grid of event time: panes, and the hours and days that judged panes are added up to as they age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def pane_of(time: datetime, width: timedelta) -> datetime:
    """The start of the pane an instant lies in, on a grid from the epoch.

    >>> pane_of(datetime(2026, 1, 1, 12, 0, 59, tzinfo=UTC), timedelta(minutes=1)).isoformat()
    '2026-01-01T12:00:00+00:00'
    """
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (time - epoch) // width * width


@dataclass(frozen=True, slots=True)
class Level:
    """Panes of width ``finer`` (0: as they were judged) become one of ``width`` once all of its time is past ``age``.

    A pane belongs to the cell that its start lies in.
    """

    finer: timedelta
    width: timedelta
    age: timedelta

    def until(self, now: datetime) -> datetime:
        """Panes that start before this lie in cells old enough.

        >>> LEVELS[0].until(datetime(2026, 1, 8, 12, 34, tzinfo=UTC)).isoformat()
        '2026-01-07T12:00:00+00:00'
        """
        return pane_of(now - self.age, self.width)


LEVELS = (
    Level(timedelta(0), timedelta(hours=1), timedelta(days=1)),
    Level(timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)),
)
