"""Stored answers as data for fine-tuning: pairs of which one is preferred, and answers that are not to be repeated."""

from monitor.exporting.flagged import FLAGS, flagged
from monitor.exporting.pairs import Rules
from monitor.exporting.preferences import preferences
from monitor.exporting.wanted import Wanted

__all__ = ["FLAGS", "Rules", "Wanted", "flagged", "preferences"]
