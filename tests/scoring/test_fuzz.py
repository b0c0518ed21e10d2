"""The benchmark's made-up traces, a few of them, and what else a trace may hold."""

import random
from collections import Counter
from hashlib import blake2b

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scores.fuzz import check, decoded, made_up, traces
from detectors.score import ok
from monitor.inference.grounding import shipped_grounding
from monitor.model.scores import NAMES
from monitor.scoring import Scorer
from monitor.scoring.checked import Checking
from tests.stores import decoded as read
from tests.stores import line

STATUSES = {"ok", "abstained", "insufficient_input", "error"}


@settings(deadline=None)  # the first text that is not English waits for the model of languages
@given(st.lists(st.randoms(use_true_random=False), min_size=1, max_size=4))
def test_every_trace_has_every_score_whatever_is_in_it(draws: list[random.Random]) -> None:
    told: Counter[str] = Counter()
    check([decoded(made_up(draw), draw) for draw in draws], told, blake2b())

    assert {fault: count for fault, count in told.items() if count and fault not in STATUSES} == {}
    assert sum(told[status] for status in STATUSES) == len(draws) * len(NAMES)


def test_made_up_traces_reach_every_status_of_every_score() -> None:
    """Else the test above would tell nothing of them."""
    checking = Checking(lambda answer, _: ok(len(answer) % 2), 1.0, 9.0, lambda: 0.0)
    checks = dict.fromkeys(("grounding.model", "grounding.embedding"), checking)
    scorer = Scorer(embedder=None, name="any", dimension=4, grounder=shipped_grounding(), checks=checks)
    found = scorer.score([item for seed in range(4) for item in traces(seed, 256)]).scores
    reached = {name: {score.status for score in found[name]} for name in NAMES}
    assert [name for name in NAMES if "ok" not in reached[name]] == []
    never_lacking = {name for name, statuses in reached.items() if "insufficient_input" not in statuses}
    assert never_lacking <= {"format.truncation"}
    assert {name for name, statuses in reached.items() if "abstained" in statuses} == {
        "grounding", "grounding.lexical", "grounding.embedding", "grounding.model", "consistency.agreement",
        "consistency.semantic_entropy", "consistency.support", "consistency.dispersion", "risk",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["word " * 20_000, "a" * 100_000, "1. Item.\n" * 12_000, "今" * 40_000, "[" * 100_000, "Don't. " * 15_000]
)
def test_a_hundred_thousand_characters_are_scored_in_time(text: str) -> None:
    """Each score is linear in the text; the longest takes far less than a second."""
    fields = {
        "prompt": text, "response": text, "context": [{"id": "a", "text": text}], "samples": [{"text": text}] * 5,
        "extra": {"reference_answer": text}, "request": {"response_format": {"type": "json_object"}},
        "logprobs": {"logprob": [-0.5] * 5000, "tokens": [text[i : i + 20] for i in range(0, 100_000, 20)]},
    }  # fmt: skip
    found = Scorer(embedder=None, name="any", dimension=4, grounder=shipped_grounding()).score(
        read([line(1, **fields)])
    )

    statuses = {name: score.status for name, (score,) in found.scores.items()}
    assert {name for name, status in statuses.items() if status == "error"} == set()
    assert statuses["consistency.agreement"] == ("ok" if text[0] != "[" else "insufficient_input")
