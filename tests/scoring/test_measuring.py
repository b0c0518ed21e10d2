from collections.abc import Sequence
from itertools import count

import numpy as np
import pytest

from detectors.score import insufficient, ok
from monitor.inference.grounding import shipped_grounding
from monitor.model.scores import CATALOGUE, NAMES
from monitor.scoring.checked import Checking
from monitor.scoring.exchange import Exchanges, exchanges
from monitor.scoring.grounded import steps
from monitor.scoring.measuring import NOT_SET_UP, measure
from monitor.scoring.steps import STEPS, Named, Step
from tests.stores import decoded, line

LACKING = insufficient("no samples")


def batch(*lines: bytes) -> Exchanges:
    return exchanges(decoded(list(lines)))


def lengths(found: Exchanges) -> Named:
    yield "format.json", [ok(len(answer) / 100) for answer in found.answers]
    yield "format.repetition", [ok(0.0) for _ in found.answers]


def odd_ones_fail(found: Exchanges) -> Named:
    yield "format.json", [ok(0.5) for _ in found.answers]
    yield "format.repetition", [ok(1 / len(answer)) for answer in found.answers]


def test_what_lacks_an_input_says_so_and_the_others_are_measured() -> None:
    step = Step("format", lambda trace: None if trace.samples else LACKING, lengths)
    found = measure(batch(line(1), line(2, samples=[{"text": "a"}])), [step], float)

    assert found.scores["format.json"] == [LACKING, ok(0.08)]
    assert found.scores["format.repetition"] == [LACKING, ok(0.0)]
    assert np.array_equal(found.columns()["format.json"], [np.nan, 0.08], equal_nan=True)
    # What the step does not give, and families without a step.
    assert found.scores["format.language"] == [LACKING, NOT_SET_UP]
    assert found.scores["grounding.lexical"] == [NOT_SET_UP] * 2


def test_a_family_that_all_traces_lack_is_never_measured() -> None:
    def unasked(_batch: Exchanges) -> Named:
        raise AssertionError("there is nothing to measure")

    found = measure(batch(line(1)), [Step("consistency", lambda _: LACKING, unasked)], float)
    assert (found.scores["consistency.agreement"], found.cost_s.keys()) == ([LACKING], {"risk"})


def test_a_trace_that_breaks_a_score_does_not_break_the_others() -> None:
    found = measure(
        batch(line(1), line(2, response=""), line(3)), [Step("format", lambda _: None, odd_ones_fail)], float
    )

    first, broken, third = found.scores["format.repetition"]
    assert first == third == ok(1 / 8)
    assert (broken.status, broken.reason) == ("error", "internal: ZeroDivisionError: division by zero")
    assert found.scores["format.json"] == [ok(0.5), broken, ok(0.5)]


def test_each_score_is_charged_from_the_end_of_the_one_before() -> None:
    ticks = count()
    found = measure(batch(line(1)), [Step("format", lambda _: None, lengths)], lambda: float(next(ticks)))
    assert found.cost_s == {"format.json": 1.0, "format.repetition": 1.0, "risk": 1.0}


def test_every_score_of_the_catalogue_is_measured_by_a_step() -> None:
    everything = {
        "prompt": "Which city is the capital of Italy, and since when is it that?",
        "response": "The capital of Italy is the city of Rome.",
        "request": {"response_format": {"type": "json_object"}},
        "tools": [{"name": "map"}],
        "context": [{"id": "a", "text": "Rome", "score": 0.5, "updated_at": "2026-01-01T00:00:00Z"}],
        "samples": [{"text": "Rome"}] * 5,
        "attention": {"lookback_ratio": [0.5]},
        "logprobs": {"logprob": [-0.5], "entropy": [0.5], "top_k": {"k": 2, "logprob": [[-0.5, -1.5]]}},
        "extra": {"reference_answer": "Rome"},
    }
    checking = Checking(lambda *_: ok(0.5), 1.0, 9.0, float)
    checks = dict.fromkeys(("grounding.embedding", "grounding.model"), checking)
    found = measure(batch(line(1, **everything)), steps(shipped_grounding(), checks), float)
    assert {name for name, (score,) in found.scores.items() if score == NOT_SET_UP} == set()
    assert found.cost_s.keys() == set(NAMES)


@pytest.mark.parametrize("lines", [[], [line(1)], [line(1), line(2, response="")]])
def test_every_trace_has_every_score(lines: Sequence[bytes]) -> None:
    found = measure(batch(*lines), STEPS, float)
    assert {name: len(scores) for name, scores in found.scores.items()} == dict.fromkeys(NAMES, len(lines))


def test_the_catalogue_names_each_score_once_and_says_what_it_is() -> None:
    assert len(set(NAMES)) == len(CATALOGUE)
    assert all(kind.inputs and kind.told for kind in CATALOGUE)
    assert {kind.family for kind in CATALOGUE} == {step.family for step in STEPS} | {"risk"}
