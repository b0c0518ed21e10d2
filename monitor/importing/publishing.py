"""Records to a sink, with a count of what went and what did not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from monitor.importing.records import Imported
from monitor.importing.row import RowError
from monitor.model.trace import SCHEMA_VERSION
from monitor.ports import Sink

HEADERS = {"content-type": b"application/json", "schema-version": SCHEMA_VERSION.encode()}
ERRORS_KEPT = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """At most ``rate`` records a second, unlimited where None."""

    rate: float | None = None
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def wait(self, sent: int, since: float) -> None:
        """Return when record number ``sent`` is due."""
        if self.rate is not None:
            ahead_s = since + sent / self.rate - self.monotonic()
            if ahead_s > 0:
                self.sleep(ahead_s)


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import came to; ``errors`` are the first few of those that failed."""

    published: int
    failed: int
    seconds: float
    errors: tuple[RowError, ...] = ()

    def __str__(self) -> str:
        rate = self.published / self.seconds if self.seconds > 0 else 0.0
        sentence = f"{self.published:,} traces published in {self.seconds:,.1f} s ({rate:,.0f} traces/s)"
        if not self.failed:
            return f"{sentence}; every row went."
        return f"{sentence}; {self.failed:,} {'row' if self.failed == 1 else 'rows'} failed."


def publish(
    records: Iterable[Imported | RowError],
    sink: Sink,
    progress: Callable[[Imported | RowError], None],
    pace: Pace,
) -> Summary:
    """Send every record and wait till all are acknowledged; errors are counted and passed to ``progress``.

    Raises:
        Transient: the sink does not take the records; what was acknowledged before stays published.
    """
    began = pace.monotonic()
    published = failed = 0
    errors: list[RowError] = []
    for record in records:
        if isinstance(record, RowError):
            failed += 1
            if len(errors) < ERRORS_KEPT:
                errors.append(record)
        else:
            pace.wait(published, began)
            sink.send(record.key, record.value, HEADERS)
            published += 1
        progress(record)
    sink.flush()
    return Summary(published, failed, pace.monotonic() - began, tuple(errors))
