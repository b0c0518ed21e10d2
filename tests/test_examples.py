from dataclasses import replace

import numpy as np
import pytest

from detectors.effect import Effect
from detectors.reference import fit
from monitor.examples import EXAMPLES, examples, features_of
from monitor.model.diagnosis import Case
from monitor.model.scored import Scored
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from tests.stores import START, decoded, line, small_baseline

ALL, TOKENS = Segment(), "response.tokens"
STACK, REFERENCES = fit({TOKENS: np.arange(50.0, 150.0)}, {TOKENS: "scalar"}, seed=0)
BASELINE = replace(small_baseline(), stack=STACK, references={ALL: REFERENCES})
VERDICT = Verdict(
    ALL, TOKENS, 1, START, 60.0, Effect("psi", 0.4, 99.5, 140.0, 0.3, 0.0, 0.0), 24.0, 12.0,
    drifted=True, onset=START, shares={},
)  # fmt: skip


def traces(tokens: list[float], first: int, **columns: np.ndarray) -> Scored:
    lines = [line(first + i, prompt=f"Is it {i % 3}?", response=f"{count:g}") for i, count in enumerate(tokens)]
    return Scored(decoded(lines), {TOKENS: np.array(tokens), **columns}, {})


def case(before: Scored, after: Scored) -> Case:
    """Longer answers are further along the change."""
    direction = np.zeros(STACK.maps[TOKENS].size)
    direction[STACK.maps[TOKENS].tested - 3] = 1.0  # the normal score
    return Case(before, after, BASELINE, [VERDICT], {TOKENS: direction})


def test_the_farthest_come_first_and_no_exchange_twice() -> None:
    after = traces([60.0, 145.0, 110.0, 145.0, 145.0, 120.0, 130.0, 125.0, 105.0], first=100)
    found = examples(case(traces([100.0] * 9, first=0), after), TOKENS)

    assert len(found) == EXAMPLES
    told = [(example.trace.prompt_text, example.trace.output_messages[0].parts[0].content) for example in found]
    assert told[:3] == [("Is it 1?", "145"), ("Is it 0?", "145"), ("Is it 0?", "130")]
    assert [example.place for example in found] == sorted((example.place for example in found), reverse=True)


def test_what_lies_against_the_change_is_no_example() -> None:
    assert examples(case(traces([100.0] * 9, first=0), traces([60.0, 70.0], first=100)), TOKENS) == []


def test_a_counterpart_has_the_same_prompt_where_there_are_no_embeddings() -> None:
    found = examples(case(traces([90.0, 100.0], first=0), traces([140.0, 141.0, 142.0], first=100)), TOKENS)
    pairs = {example.trace.prompt_text: example.counterpart and example.counterpart.prompt_text for example in found}

    assert pairs == {"Is it 0?": "Is it 0?", "Is it 1?": "Is it 1?", "Is it 2?": None}


def test_a_counterpart_has_the_most_similar_embedding_else_the_same_prompt() -> None:
    before = traces([90.0, 100.0, 95.0], 0, **{"prompt.embedding": np.float32([[1, 0], [0, 2], [np.nan, np.nan]])})
    after = traces([140.0, 141.0, 142.0], 10, **{"prompt.embedding": np.float32([[1, 3], [3, 1], [np.nan, 0]])})
    found = {example.trace.id: example.counterpart for example in examples(case(before, after), TOKENS)}

    assert {name: other and other.id for name, other in found.items()} == {"t10": "t1", "t11": "t0", "t12": "t2"}


def test_places_are_in_standard_deviations_of_before() -> None:
    before = traces([60.0, 80.0, 100.0, 120.0], first=0)
    (example, *_) = examples(case(before, traces([140.0], first=100)), TOKENS)
    direction = case(before, before).directions[TOKENS][: STACK.maps[TOKENS].tested]
    spread = (features_of(before, BASELINE, TOKENS) @ direction).std()

    mean = REFERENCES[TOKENS].mean[: STACK.maps[TOKENS].tested]
    score = features_of(traces([140.0], first=100), BASELINE, TOKENS) @ direction - mean @ direction
    assert example.place == pytest.approx(float(score[0] / spread), rel=1e-5)


def test_a_signal_that_the_traces_lack_is_missing_from_all_of_them() -> None:
    bare = replace(traces([1.0, 2.0], first=0), columns={})

    assert (features_of(bare, BASELINE, TOKENS) == STACK.maps[TOKENS].missing[:-1]).all()
