"""How the answers since a change differ from the reference's, counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from detectors.canary import Watch, beyond
from monitor.model.canary import Quality, Told

WORSE = 0.05
"""A mean loss of F1 from which answers are called worse, where at least two are."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer since the change began, and the reference's to the same prompt."""

    now: Told
    before: Told


@dataclass(frozen=True, slots=True)
class Difference:
    """Of so many canaries.

    Attributes:
        moved: with log-probabilities farther off than ever without a change.
        first_shift: the median change of the first token's over those, in nats.
        shift: the same over all positions that could be compared.
        changed: with a text farther off than ever without a change.
        judged: with right answers to hold them against.
        exact: how many of those matched one, before and now.
        f1: their mean F1, before and now.
        lost: with a larger loss of F1 than ever without a change.
    """

    canaries: int
    moved: int
    first_shift: float
    shift: float
    changed: int
    judged: int
    exact: tuple[int, int]
    f1: tuple[float, float]
    lost: int

    @property
    def worse(self) -> bool:
        return self.lost >= 2 and self.f1[0] - self.f1[1] >= WORSE


def difference(pairs: Sequence[Pair], watch: Watch) -> Difference:
    """``watch`` has the marks from before the change in its bags."""

    def unusual(test: str) -> list[Told]:
        return [pair.now for pair in pairs if beyond(watch, test, pair.now.digest, pair.now.marks or {})]

    moved = unusual("logprobs")
    judged: list[tuple[Quality, Quality]] = [
        (pair.before.quality, pair.now.quality)
        for pair in pairs
        if pair.before.quality is not None and pair.now.quality is not None
    ]
    return Difference(
        canaries=len(pairs),
        moved=len(moved),
        first_shift=median(told.first_shift or 0.0 for told in moved) if moved else 0.0,
        shift=median(told.shift or 0.0 for told in moved) if moved else 0.0,
        changed=len(unusual("answers")),
        judged=len(judged),
        exact=(sum(before.exact for before, _ in judged), sum(now.exact for _, now in judged)),
        f1=(fmean(before.f1 for before, _ in judged), fmean(now.f1 for _, now in judged)) if judged else (0.0, 0.0),
        lost=len(unusual("quality")),
    )


def phrases(found: Difference) -> list[str]:
    """What happened, the worst first."""
    told = []
    if found.worse and found.exact[1] < found.exact[0]:
        told.append(f"exact match fell from {found.exact[0]}/{found.judged} to {found.exact[1]}/{found.judged}")
    elif found.worse:
        told.append(f"token F1 fell from {found.f1[0]:.2f} to {found.f1[1]:.2f} on {found.judged} canaries")
    if found.changed:
        told.append(f"{found.changed} of {found.canaries} answers differ")
    if found.moved:
        told.append(
            f"first-token log-probabilities moved by {found.first_shift:.2g} nats on {found.moved} of"
            f" {found.canaries} canaries"
        )
    if not told:
        return [f"{found.canaries} answers differ more than the reference's among themselves"]
    return told if found.changed else [*told, "answers the same"]
