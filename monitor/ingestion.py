"""Alerts about reading itself: a partition that nobody reads, and records the broker dropped before they were read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from monitor.events import AlertChanged
from monitor.model.alert import OFFSET_GAP, STALLED, Alert, Change
from monitor.model.record import Gap, PartitionState
from monitor.ports import Clock, Emit, IngestStore

# The pseudo-partitions of traces that come in without a broker: nobody has to read them.
UNREAD_TOPICS = ("http", "backfill")
GIVEN_UP_AFTER = timedelta(days=1)


def stall(
    states: Sequence[PartitionState], open_alert: Alert | None, *, now: datetime, after: timedelta, new_id: str
) -> Change | None:
    """What the state of reading changes about the alert: it fires while some partition was not looked at for ``after``.

    No drift is found in traces that nobody reads, so silence must not look like health. A partition that was left for
    a day is taken for one of the past.
    """
    stalled = [
        state
        for state in states
        if state.partition.topic not in UNREAD_TOPICS and after < now - state.seen_at < GIVEN_UP_AFTER
    ]
    if not stalled and open_alert is not None:
        return Change("alert.resolved", open_alert.resolved(now), now)
    if not stalled or open_alert is not None:
        return None
    since = min(state.seen_at for state in stalled)
    names = {f"{state.partition.topic}/{state.partition.number}": state.seen_at.isoformat() for state in stalled}
    told = ", ".join(list(names)[:3]) + (" …" if len(names) > 3 else "")
    summary = f"nobody reads {len(stalled)} of {len(states)} partitions since {since:%Y-%m-%d %H:%M} UTC: {told}"
    alert = Alert(new_id, STALLED, "firing", since, now, summary, (), {"partitions": names}, severity="critical")
    return Change("alert.firing", alert, now)


def lost(gap: Gap, *, now: datetime, new_id: str) -> Change:
    """The alert of records that are gone; it stays until a person acknowledges it."""
    where = f"{gap.partition.topic}/{gap.partition.number}"
    missing = gap.resumed - gap.first
    what = f"{missing:,} offsets from {gap.first:,} on" if missing > 0 else f"what followed offset {gap.first:,}"
    summary = f"{where}: {what} were gone from the broker before they were read; reading went on at {gap.resumed:,}"
    labels = {"kind": OFFSET_GAP, "segment": where, "first": str(gap.first)}
    return Change("alert.firing", Alert(new_id, labels, "firing", gap.noticed_at, now, summary, (), {}), now)


class IngestWatch:
    """Looks at the state of reading; run beside the judge."""

    def __init__(
        self, store: IngestStore, *, stalled_after: timedelta, clock: Clock, emit: Emit, new_id: Callable[[], str]
    ) -> None:
        self.store, self.stalled_after = store, stalled_after
        self.clock, self.emit, self.new_id = clock, emit, new_id

    def tick(self) -> None:
        """Tells of what changed, once however many judges run."""
        now = self.clock()
        with self.store.turn() as turn:
            if turn is None:
                return
            changes = [lost(gap, now=now, new_id=self.new_id()) for gap in turn.gaps]
            changes += [Change("alert.resolved", alert.resolved(now), now) for alert in turn.acknowledged_gaps]
            stalled = stall(turn.partitions, turn.stalled, now=now, after=self.stalled_after, new_id=self.new_id())
            if stalled is not None:
                changes.append(stalled)
            if changes:
                self.store.tell(turn, changes)
        for change in changes:
            alert = change.alert
            self.emit(AlertChanged(change.happening, dict(alert.labels), alert.summary, alert.onset))
