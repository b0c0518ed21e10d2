"""Scores that cost more than others: measured on a sample of the answers, and no longer than a deadline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detectors.score import Score, abstained, insufficient
from monitor.scoring.exchange import Exchanges

Check = Callable[[str, Sequence[str]], Score]


@dataclass(frozen=True, slots=True)
class Checking:
    """What checks an answer against passages, and how much of that is paid for.

    Attributes:
        check: the score of an answer, given its passages.
        share: of the traces, by the hash of their id.
        deadline_s: once a batch has taken so long, the rest of it is not measured.
        timer: gives seconds.
    """

    check: Check
    share: float
    deadline_s: float
    timer: Callable[[], float]

    def __call__(self, batch: Exchanges) -> list[Score]:
        """A score for each trace; those left out say why."""
        began = self.timer()
        left_out = insufficient(f"not in the sample of {self.share:g}")
        late = insufficient(f"the deadline of {self.deadline_s:g} s for a batch was over")
        scores = []
        for trace, answer, refusal in zip(batch.traces, batch.answers, batch.refusals(), strict=True):
            if refusal.value == 1.0:
                scores.append(abstained("the answer only declines"))
            elif not in_sample(trace.id, self.share):
                scores.append(left_out)
            elif self.timer() - began >= self.deadline_s:
                scores.append(late)
            else:
                scores.append(self.check(answer, [found.text for found in trace.context]))
        return scores


def in_sample(name: str, share: float) -> bool:
    """Always the same share of all ids."""
    digest = hashlib.md5(name.encode("utf-8", "replace"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32
