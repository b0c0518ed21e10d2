"""Traces to signals and scores, a batch at a time."""

from monitor.scoring.batch import Scorer
from monitor.scoring.summing import add_up

__all__ = ["Scorer", "add_up"]
