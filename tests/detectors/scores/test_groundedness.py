import numpy as np
import pytest

from detectors.evidence import BUCKETS, compare
from detectors.groundedness import Model, at_prior, grounding, judge, opinion, stretches
from detectors.head import Head, check, run
from detectors.lexicon import Lexicon

LEXICON = Lexicon({}, 99, {}, {})
CONTEXT = ["The bridge opened in 1932. It carries eight lanes of traffic."]
NOVEL = "It was designed by Ralph Freeman. It carries eight lanes."
HELD = "The bridge opened in 1932."


def names() -> tuple[str, ...]:
    found = compare(HELD, CONTEXT, "", LEXICON)
    assert found is not None
    return found.names


def weights(features: int, hidden: int = 4) -> dict[str, np.ndarray]:
    """A head of zeros, in which the first unit of a word is how strange it is."""
    shapes = {"enter": features + 8, "sentence": 2 * hidden, "join": 3 * hidden, "answer": 3 * hidden}
    made = {name: np.zeros((size, hidden), np.float32) for name, size in shapes.items()}
    made |= {f"convolution.{number}": np.zeros((5 * hidden, hidden), np.float32) for number in range(3)}
    made |= {name: np.zeros((hidden, 1), np.float32) for name in ("word_out", "sentence_out", "answer_out")}
    made |= {f"{name}.bias": np.zeros(value.shape[1], np.float32) for name, value in made.items()}
    made["embedding"] = np.zeros((BUCKETS, 8), np.float32)
    made["enter"][names().index("strange"), 0] = 1
    made["sentence"][hidden, 0] = 1  # the peak
    made["answer"][hidden, 0] = 1  # the worst sentence
    for name in ("word_out", "sentence_out", "answer_out"):
        made[name][0, 0] = 8
        made[f"{name}.bias"][0] = -4
    return made


def model(heads: int = 1) -> Model:
    size = len(names())
    head = Head(np.zeros(size, np.float32), np.ones(size, np.float32), weights(size))
    return Model(LEXICON, names(), (head,) * heads, slope=0.5, intercept=0.0, prior=0.5, word_threshold=0.5)


def test_the_spans_are_the_words_told_and_each_sentence_has_its_evidence() -> None:
    found = judge(NOVEL, CONTEXT, "", model())
    assert found is not None
    assert [NOVEL[start:end] for start, end in found.spans] == ["designed", "Ralph Freeman"]
    first, second = found.claims
    assert [NOVEL[start:end] for start, end in first.novel] == ["designed", "Ralph", "Freeman"]
    assert (second.passage, CONTEXT[0][slice(*second.evidence)]) == (0, "It carries eight lanes of traffic.")
    assert (first.value > 0.9, second.value < 0.1) == (True, True)


def test_a_held_answer_is_better_than_a_novel_one() -> None:
    novel, held = grounding([NOVEL, HELD], [CONTEXT, CONTEXT], model())
    assert novel.value is not None
    assert held.value is not None
    assert (novel.value > 0.9, held.value < 0.1) == (True, True)
    assert held.spans == ()


def test_heads_alike_say_together_what_one_says() -> None:
    one, three = (judge(NOVEL, CONTEXT, "", model(heads)) for heads in (1, 3))
    assert one is not None
    assert three is not None
    assert three.value == pytest.approx(one.value, abs=1e-6)


def test_refusals_and_empty_inputs_have_a_status() -> None:
    answers = ["I don't know.", "", "Yes.", "..."]
    contexts = [CONTEXT, CONTEXT, [], CONTEXT]
    found = [(score.status, score.reason) for score in grounding(answers, contexts, model())]
    assert found == [
        ("abstained", "the answer only declines"),
        ("insufficient_input", "empty answer"),
        ("insufficient_input", "no context"),
        ("insufficient_input", "no words in the answer or in the context"),
    ]


def test_an_answer_scores_the_same_bits_alone_and_in_a_batch() -> None:
    answers = [NOVEL, HELD, NOVEL * 3]
    together = grounding(answers, [CONTEXT] * 3, model())
    assert together == [grounding([answer], [CONTEXT], model())[0] for answer in answers]


def test_a_convolution_sees_two_words_to_either_side_at_its_step() -> None:
    size = len(names())
    made = weights(size)
    made["convolution.1"][4 * 4, 0] = 1  # the last tap: four words on, at step two
    answer = "zebra one two three four five"
    evidence = compare(answer, ["one two three four five"], "", LEXICON)
    assert evidence is not None
    head = Head(np.zeros(size, np.float32), np.ones(size, np.float32), made)
    assert np.flatnonzero(run(head, evidence).words > 0).tolist() == [0]
    made["convolution.1"][:] = 0
    made["convolution.1"][0, 0] = 1  # the first tap: four words back
    assert np.flatnonzero(run(head, evidence).words > 0).tolist() == [0, 4]


def test_shapes_that_do_not_fit_are_refused() -> None:
    made = weights(len(names()))
    check(made, len(names()))
    with pytest.raises(ValueError, match=r"enter: expected shape \(\d+, 4\), got"):
        check(made, len(names()) + 1)


def test_a_marked_word_among_sure_ones_is_a_stretch_of_its_own() -> None:
    spans = [(0, 1), (2, 3), (4, 5)]
    assert stretches(spans, np.array([True, False, True])) == ((0, 1), (4, 5))
    assert stretches(spans, np.array([False, False, False])) == ()
    assert stretches(spans, np.array([True, True, True])) == ((0, 5),)


def test_the_opinion_of_a_short_answer_takes_the_mean_of_its_words() -> None:
    half = np.array([0.5], np.float32)
    assert opinion(np.array([0.2, 0.8], np.float32), half, 1.0) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("value", "prior", "other"), [(0.3, 0.4, 0.4), (0.9, 0.5, 0.2), (0.01, 0.3, 0.6)])
def test_a_prior_moved_there_and_back_changes_nothing(value: float, prior: float, other: float) -> None:
    assert at_prior(at_prior(value, prior, other), other, prior) == pytest.approx(value)


def test_a_comparison_that_hardly_varied_in_training_is_held_to_what_it_was() -> None:
    evidence = compare(HELD, CONTEXT, "", LEXICON)
    assert evidence is not None
    usual = Head(evidence.features.mean(axis=0), np.full(len(names()), 0.001, np.float32), weights(len(names())))
    far = Head(usual.mean - 100.0, usual.scale, usual.weights)
    near = Head(usual.mean - 0.001, usual.scale, usual.weights)
    np.testing.assert_allclose(run(far, evidence).whole, run(near, evidence).whole, rtol=1e-3, atol=1e-3)
