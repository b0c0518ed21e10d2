import numpy as np
import pytest

from detectors.nearness import nearness

ONE, OTHER = np.eye(2, dtype=np.float32)
SPANS = [(0, 10), (11, 30)]


def test_what_the_context_says_word_for_word_is_near() -> None:
    found = nearness(np.stack([ONE, OTHER]), np.stack([OTHER, ONE]), spans=SPANS, words=np.array([4.0, 9.0]))
    assert (found.value, found.spans) == (0.0, ())


def test_a_far_sentence_counts_by_its_words_and_is_the_span() -> None:
    """33 words at a right angle to all of the context make one half, 66 three quarters."""
    rows, words = np.stack([ONE, OTHER]), np.array([5.0, 33.0])
    half = nearness(rows, ONE[None], spans=SPANS, words=words)
    more = nearness(rows, ONE[None], spans=SPANS, words=2 * words)
    assert (half.value, half.spans) == (pytest.approx(0.5), ((11, 30),))
    assert more.value == pytest.approx(0.75)


def test_another_passage_never_makes_an_answer_worse() -> None:
    rows = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    values = [nearness(rows[:2], rows[2:n], spans=SPANS, words=np.array([7.0, 7.0])).value for n in range(3, 10)]
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    assert values[0] != values[-1]
