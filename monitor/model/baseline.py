"""The baseline: the feature map and the references that now is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from detectors.reference import Reference
from detectors.stack import Stack
from monitor.model.segment import Segment


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted baseline: immutable and versioned.

    ``space`` names the embedding model of its vectors. The traces it was fitted on lie in ``since`` to ``until``;
    panes are judged from ``judged_from`` on. The feature maps were shaped on the traces of the panes that start at
    ``shaped``, which look closer to these maps than any others do. ``builds`` are those that answered these traces;
    ``left_out`` the segments with enough of them that have no reference because larger ones reach the limit.

    One without references was cleared: nothing is judged until another is learned from the traces after ``until``.
    """

    version: int
    space: str
    stack: Stack
    references: Mapping[Segment, Mapping[str, Reference]]
    source: str
    traces: int
    since: datetime
    until: datetime
    judged_from: datetime
    shaped: tuple[datetime, ...] = ()
    builds: tuple[str, ...] = ()
    left_out: tuple[Segment, ...] = ()

    @property
    def cleared(self) -> bool:
        return not self.references

    @property
    def run_lengths(self) -> tuple[float, float] | None:
        """Lowest and highest of what the null replay achieved of the run length aimed at; None where none was made."""
        own = self.references.get(Segment(), {}).values()
        achieved = [reference.achieved for reference in own if isfinite(reference.achieved)]
        return (min(achieved), max(achieved)) if achieved else None
