from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from monitor.inference.encoder import Encoder
from monitor.inference.grounding import shipped_grounding
from monitor.model.scores import NAMES
from monitor.model.signal import KINDS
from monitor.scoring import Scorer, space_of
from tests.stores import decoded, line


def vector(values: list[float], *, target: str = "prompt", model: str = "toy") -> dict[str, Any]:
    data = b64encode(np.array(values, "<f4").tobytes()).decode()
    return {"target": target, "model": model, "dim": len(values), "encoding": "f32le_b64", "data": data}


TOY = Scorer(embedder=None, name="toy", dimension=2)
CITED = {
    "prompt": "Who wrote Faust?",
    "response": "Goethe wrote Faust in 1808.",
    "context": [{"id": "d", "text": "Faust is a play that Goethe wrote; it came out in 1808."}],
    "logprobs": {"logprob": [-0.1, -0.7]},
}


def test_every_signal_has_a_column_of_the_length_of_the_batch() -> None:
    for count in (0, 1, 3):
        found = TOY.score(decoded([line(number) for number in range(count)]))

        assert found.columns.keys() == KINDS.keys()
        assert {len(column) for column in found.columns.values()} == {count}
        assert found.scores.keys() == set(NAMES)
        assert {len(column) for column in found.scores.values()} == {count}


def test_the_value_of_a_score_is_a_signal_too() -> None:
    found = TOY.score(decoded([line(1, **CITED), line(2, response="I don't know.")]))

    for name in NAMES:
        values = [np.nan if score.value is None else score.value for score in found.scores[name]]
        assert np.array_equal(found.columns[name], np.array(values, float), equal_nan=True)


def test_what_a_score_says_of_a_trace() -> None:
    declining = {"response": "I can't help with that.", "context": CITED["context"], "samples": [{"text": "It is 3."}]}
    found = TOY.score(decoded([line(1, **CITED), line(2), line(3, **declining)])).scores
    cited, plain, declined = ({name: found[name][place] for name in found} for place in range(3))

    assert cited["uncertainty.mean_nll"].value == pytest.approx(1 - np.exp(-0.4))
    assert cited["grounding.lexical"].status == "ok"
    assert cited["grounding.lexical"].value == pytest.approx(0, abs=0.2)
    assert cited["abstention"].value == plain["abstention"].value == 0.0
    assert (plain["uncertainty.mean_nll"].status, plain["uncertainty.mean_nll"].value) == ("insufficient_input", None)
    assert plain["grounding.lexical"].status == "insufficient_input"
    assert (declined["abstention"].value, declined["grounding.lexical"].status) == (1.0, "abstained")
    assert declined["consistency.agreement"].status == "abstained"


def test_a_trace_is_scored_the_same_alone_and_in_a_batch() -> None:
    lines = [line(1, **CITED), line(2), line(3, response="I can't help with that."), line(4, response="")]
    whole = TOY.score(decoded(lines))

    for place, each in enumerate(lines):
        alone = TOY.score(decoded([each]))
        assert alone.scores == whole.at([place]).scores
        for name, column in whole.at([place]).columns.items():
            np.testing.assert_array_equal(alone.columns[name], column)


def test_without_an_encoder_vectors_of_the_named_model_are_used() -> None:
    lines = [
        line(1, embeddings=[vector([0.6, 0.8]), vector([1.0, 0.0], target="response")]),
        line(2, embeddings=[vector([1.0, 0.0], model="another")]),
        line(3, embeddings=[vector([1.0, 0.0, 0.0])]),
        line(4),
    ]
    found = TOY.score(decoded(lines)).columns
    missing = [np.nan, np.nan]

    assert np.array_equal(
        found["prompt.embedding"], np.array([[0.6, 0.8], missing, missing, missing], "f4"), equal_nan=True
    )
    assert np.array_equal(found["response.embedding"][0], [1.0, 0.0])
    assert np.array_equal(found["relation"][0], np.array([0.6, 0.8, 1.0, 0.0], "f4"))
    assert np.isnan(found["relation"][1:]).all()


def test_a_vector_beyond_what_is_stored_is_cut_to_it() -> None:
    """Features of numbers near the end of float32 are no numbers, and one of them would spoil all sums."""
    found = TOY.score(decoded([line(1, embeddings=[vector([3e38, -3e38])])])).columns

    assert np.array_equal(found["prompt.embedding"], [[65504.0, -65504.0]])


def test_an_encoder_fills_in_what_traces_do_not_carry(encoder: Encoder) -> None:
    own = [1.0] + [0.0] * (encoder.dimension - 1)
    lines = [
        line(1, prompt="What is rain?", response=""),
        line(2, prompt="What is rain?", response=" \n", embeddings=[vector(own, model=encoder.name)]),
        line(3, prompt="Why does it rain?", response="Clouds hold water."),
    ]
    scorer = Scorer(embedder=encoder, name="unused", dimension=1)
    found = scorer.score(decoded(lines)).columns
    expected = encoder.encode(["What is rain?", "Why does it rain?", "Clouds hold water."])

    assert np.allclose(found["prompt.embedding"], [expected[0], own, expected[1]], atol=1e-6)
    assert np.isnan(found["response.embedding"][:2]).all()
    assert np.allclose(found["response.embedding"][2], expected[2], atol=1e-6)
    rain, cloud = expected[0] @ expected[1], expected[0] @ expected[2]
    assert rain > 0.7 > cloud


def test_the_space_names_the_model_and_how_it_is_run(encoder: Encoder) -> None:
    assert TOY.space == space_of("toy", 2) == "toy/2"
    assert Scorer(embedder=encoder, name="x", dimension=1).space == f"all-MiniLM-L6-v2/384/{encoder.fingerprint}"


def test_groundedness_is_measured_where_there_is_a_model() -> None:
    trace = line(1, response="It was designed by Ralph Freeman.", context=[{"id": "a", "text": "The bridge is old."}])
    without, with_model = (
        Scorer(embedder=None, name="toy", dimension=2, grounder=model).score(decoded([trace])).scores["grounding"][0]
        for model in (None, shipped_grounding())
    )
    assert without.status == "insufficient_input"
    assert with_model.value is not None
    assert with_model.value > 0.5
    assert with_model.spans
