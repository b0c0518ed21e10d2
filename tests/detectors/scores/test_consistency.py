import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.consistency import Told, agreement, dispersion, read, semantic_entropy, support
from detectors.stems import Stems

WORDS = ["Paris", "Rome", "capital", "7", "1932", "river", "the", "is", "of", "blue"]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
SAMPLES = st.lists(TEXT, min_size=5, max_size=9)


def told(answer: str, samples: list[str], question: str = "") -> Told:
    return read(answer, samples, question, Stems())


def value(score, answer: str, samples: list[str], question: str = "") -> float:
    (found,) = score([told(answer, samples, question)])
    assert found.value is not None
    return found.value


@pytest.mark.parametrize("score", [agreement, semantic_entropy, support])
@given(answer=TEXT, samples=SAMPLES)
def test_scores_lie_between_0_and_1(score, answer: str, samples: list[str]) -> None:
    assert 0.0 <= value(score, answer, samples) <= 1.0


@pytest.mark.parametrize("score", [agreement, semantic_entropy, support])
@given(answer=TEXT)
def test_samples_that_repeat_the_answer_cost_nothing(score, answer: str) -> None:
    assert value(score, answer, [answer] * 5) == 0.0


@given(TEXT, SAMPLES, st.randoms(use_true_random=False))
def test_agreement_and_support_do_not_depend_on_the_order_of_samples(answer: str, samples: list[str], random) -> None:
    shuffled = random.sample(samples, len(samples))
    for score in (agreement, support):
        assert score([told(answer, samples)]) == score([told(answer, shuffled)])


@pytest.mark.parametrize("score", [agreement, semantic_entropy, support])
def test_nothing_in_common_is_1(score) -> None:
    samples = ["Rome", "river", "1932", "blue", "capital"]
    assert value(score, "Paris", samples) == pytest.approx(1.0, abs=1e-12)


def test_agreement_is_the_mean_over_pairs_by_hand() -> None:
    """Names weigh 9, other content 3, grammar and words of the question 1."""
    samples = ["Built by Freeman.", "Built by Bradfield.", "Who built it? Freeman."]
    found = value(agreement, "It was built by Freeman.", samples, "Who built it?")
    # Stems: it, was, built, by weigh 1 (question or grammar), who 1, the names 9.
    sets = [
        {"it": 1, "was": 1, "built": 1, "by": 1, "Freeman": 9},
        {"built": 1, "by": 1, "Freeman": 9},
        {"built": 1, "by": 1, "Bradfield": 9},
        {"who": 1, "built": 1, "it": 1, "Freeman": 9},
    ]
    pairs = [
        sum(a[word] for word in a.keys() & b.keys()) / sum({**a, **b}.values())
        for i, a in enumerate(sets)
        for b in sets[i + 1 :]
    ]
    assert found == pytest.approx(1 - sum(pairs) / 6, rel=1e-12)


def test_a_name_that_differs_counts_more_than_a_word_that_does() -> None:
    name = value(agreement, "He met Ada there.", ["He met Eve there."] * 3)
    word = value(agreement, "He met friends there.", ["He met family there."] * 3)
    assert name > word


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        (["Paris"] * 6, 0.0),
        (["Paris"] * 3 + ["Rome"] * 3, math.log(2) / math.log(6)),
        (["Paris"] * 4 + ["Rome", "Oslo"], -(4 / 6 * math.log(4 / 6) + 2 / 6 * math.log(1 / 6)) / math.log(6)),
    ],
)
def test_semantic_entropy_is_that_of_the_clusters(clusters: list[str], expected: float) -> None:
    answer, *samples = clusters
    dressed = [f"It is {name}." if i % 2 else f"The answer is {name}, I think." for i, name in enumerate(samples)]
    assert value(semantic_entropy, answer, dressed) == pytest.approx(expected, abs=1e-12)


def test_words_of_the_question_do_not_make_answers_alike() -> None:
    question = "Which city is the capital of the old and mighty kingdom?"
    samples = [
        f"The capital of the old and mighty kingdom is {name}." for name in ("Rome", "Oslo", "Bern", "Lima", "Bonn")
    ]
    asked = value(semantic_entropy, "The capital of the old and mighty kingdom is Paris.", samples, question)
    assert asked == pytest.approx(1.0)


def test_support_marks_the_words_that_most_samples_do_not_hold() -> None:
    answer = "Goethe wrote Faust in 1808 in Weimar."
    samples = ["Goethe, in 1808.", "Goethe in 1808", "Goethe, 1832, in Weimar"]
    (score,) = support([told(answer, samples, "Who wrote Faust?")])
    assert [answer[start:end] for start, end in score.spans] == ["Weimar"]
    # Goethe begins the sentence (weight 3, held by all), 1808 (9, two of three), Weimar (9, one of three).
    assert score.value == pytest.approx(1 - (3 * 1 + 9 * 2 / 3 + 9 * 1 / 3) / 21)


def test_an_answer_within_the_question_is_compared_by_all_its_words() -> None:
    assert value(support, "Rome", ["Rome", "Rome", "Paris"], "Rome or Paris?") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("score", "answer", "samples", "reason"),
    [
        (agreement, "Yes", ["Yes", "Yes"], "expected at least 3 samples with words, got 2"),
        (agreement, "Yes", ["Yes", "Yes", " ..."], "expected at least 3 samples with words, got 2"),
        (support, "...", ["Yes"] * 3, "no words in the answer"),
        (semantic_entropy, "Yes", ["Yes"] * 4, "expected at least 5 samples with words, got 4"),
    ],
)
def test_too_little_to_compare_has_a_reason(score, answer: str, samples: list[str], reason: str) -> None:
    (found,) = score([told(answer, samples)])
    assert (found.status, found.reason, found.value) == ("insufficient_input", reason, None)


@given(st.integers(3, 8), st.integers(1, 5), st.integers(0, 2**31))
def test_dispersion_is_one_minus_the_mean_cosine(samples: int, dimension: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(samples, dimension))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = [max(0.0, float(unit[i] @ unit[j])) for i in range(samples) for j in range(i)]
    assert dispersion([rows])[0].value == pytest.approx(1 - np.mean(cosines), abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "status", "reason"),
    [
        (np.ones((2, 4)), "insufficient_input", "expected vectors of at least 3 samples, got 2"),
        (np.zeros((3, 4)), "error", "vectors of samples must be finite and not zero"),
        (np.full((3, 4), np.nan), "error", "vectors of samples must be finite and not zero"),
    ],
)
def test_vectors_that_cannot_be_compared_have_a_reason(rows, status: str, reason: str) -> None:
    (found,) = dispersion([rows])
    assert (found.status, found.reason) == (status, reason)


@pytest.mark.real_data
def test_samples_tell_wrong_answers_apart_beyond_their_length(shared_data) -> None:
    """SAC3 (2311.01740): AUROC of agreement with five samples, beside answer length."""
    import gzip
    import json

    from scipy.stats import mannwhitneyu

    with gzip.open(shared_data / "sac3" / "nq_open_250_eval_labeled-SC.json.gz", "rt") as text:
        rows = json.load(text)
    wrong = np.array([str(row["label"]) == "False" for row in rows])
    answers = [row["generated_answer"][0] for row in rows]
    found = agreement([
        told(answer, row["self_evaluations"][:5], row["question"]) for answer, row in zip(answers, rows, strict=True)
    ])  # fmt: skip
    values = np.array([score.value for score in found])
    lengths = np.array([len(answer) for answer in answers])
    auroc, by_length = (
        mannwhitneyu(column[wrong], column[~wrong]).statistic / (wrong.sum() * (~wrong).sum())
        for column in (values, lengths)
    )
    assert auroc > 0.78 > by_length
