"""The worker: rows of many requests on one model at once, and the traces of what was answered."""

from monitor.worker.columns import columns
from monitor.worker.outgoing import Channel, Outgoing
from monitor.worker.publishing import Publisher
from monitor.worker.rows import Words
from monitor.worker.scheduling import Scheduler
from monitor.worker.spool import Spool
from monitor.worker.tracing import Origin, encoded

__all__ = ["Channel", "Origin", "Outgoing", "Publisher", "Scheduler", "Spool", "Words", "columns", "encoded"]
