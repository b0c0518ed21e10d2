"""The tap over HTTP: what passes through, and its own few endpoints."""

from monitor.web.tap.app import Tap
from monitor.web.tap.desk import Counts, Desk
from monitor.web.tap.upstream import Upstream

__all__ = ["Counts", "Desk", "Tap", "Upstream"]
