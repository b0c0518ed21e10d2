"""Traces to signals and scores, a batch at a time."""

from monitor.scoring.batch import Scorer
from monitor.scoring.summing import Adder, add_up
from monitor.scoring.vectors import space_of

__all__ = ["Adder", "Scorer", "add_up", "space_of"]
