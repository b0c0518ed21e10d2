"""How likely is the answer bad, all told? One number from whatever scores a trace has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from detectors.base import Array
from detectors.score import Score, abstained, insufficient, ok

# A score of 0 or 1 is no proof.
_EDGE = 0.01
_DECLINES = abstained("the answer only declines")


@dataclass(frozen=True, slots=True)
class Member:
    """A score as evidence: ``slope · log-odds(value) + shift`` is what it adds to the log-odds of "bad".

    Attributes:
        instead_of: a better score of the same thing; where a trace has that one, this one is silent.
    """

    score: str
    slope: float
    shift: float
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """What is known before any label: how common bad answers are, and how much each score tells."""

    prior: float
    members: tuple[Member, ...]


# Slopes and shifts are Platt's on the data named, less the log-odds of its own share of bad answers.
POOL = Pool(
    prior=0.2,
    members=(
        Member("grounding", 1.0, 0.28),  # a probability already, at a prior of .43
        Member("grounding.lexical", 0.41, -0.31, instead_of="grounding"),  # RAGTruth QA, 44 % bad
        Member("consistency.agreement", 0.8, 0.3),  # SAC3, 48 % bad
        Member("consistency.semantic_entropy", 0.44, 0.21),  # SAC3
        # Reasoned, not measured: no labelled data with log-probabilities is at hand. Neutral at .25 and .7.
        Member("uncertainty.mean_nll", 0.3, 0.33),
        Member("uncertainty.peak", 0.3, -0.25),
    ),
)


def risk(scores: Mapping[str, Sequence[Score]], pool: Pool) -> list[Score]:
    """σ(log-odds of the prior + Σ e / √k) over the evidence e of the k members that a trace has.

    Between the sum, right if they told apart from each other, and the mean, right if they all told the same. A trace
    without any member has no risk, one that only declines is ``abstained``; what was missing stands in the members.

    >>> from detectors.score import ok, insufficient
    >>> none = insufficient("no context")
    >>> scores = {"grounding": [ok(0.43), ok(0.9), none], "consistency.agreement": [none, ok(0.9), none]}
    >>> [found.value and round(found.value, 3) for found in risk(scores, POOL)]
    [0.2, 0.861, None]
    """
    evidence = gathered({name: values(found) for name, found in scores.items()}, pool)
    total, present = pooled(evidence)
    found = expit(logit(pool.prior) + total).tolist()
    own = [scores[member.score] for member in pool.members if member.score in scores]
    missing = insufficient(f"none of {', '.join(member.score for member in pool.members)}")

    def without(place: int) -> Score:
        return _DECLINES if any(column[place].status == "abstained" for column in own) else missing

    return [
        ok(value) if known else without(place)
        for place, (value, known) in enumerate(zip(found, present.tolist(), strict=True))
    ]


def gathered(columns: Mapping[str, Array], pool: Pool) -> Array:
    """The evidence of each member ``(members, n)``, NaN where a trace has none."""
    count = len(next(iter(columns.values()), np.empty(0)))
    absent = np.full(count, np.nan)
    rows = []
    for member in pool.members:
        value = columns.get(member.score, absent)
        if member.instead_of is not None:
            value = np.where(np.isnan(columns.get(member.instead_of, absent)), value, np.nan)
        rows.append(member.slope * logit(np.clip(value, _EDGE, 1 - _EDGE)) + member.shift)
    found: Array = np.array(rows).reshape(len(pool.members), count)
    return found


def pooled(evidence: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Σ e / √k per trace ``(n,)``, and where there is any evidence."""
    known = np.isfinite(evidence)
    count = known.sum(axis=0)
    total = np.zeros(evidence.shape[1])
    for row, has in zip(evidence, known, strict=True):
        total += np.where(has, row, 0.0)
    return total / np.sqrt(np.maximum(count, 1)), count > 0


def values(scores: Sequence[Score]) -> Array:
    return np.array([np.nan if score.value is None else score.value for score in scores], float)
