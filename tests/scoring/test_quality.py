from typing import Any

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from monitor.scoring.quality import bleu, exact_match, pairs, references, rouge_l, token_f1
from tests.stores import decoded, line

TEXT = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "dog"]), min_size=1, max_size=12).map(" ".join)


def value(score, answer: str, *known: str) -> float | None:
    rows = bleu([answer], [known]) if score is bleu else score(pairs([answer], [known]))
    return rows[0].value


@given(TEXT, TEXT)
def test_rouge_l_is_that_of_rouge_score(answer: str, reference: str) -> None:
    oracle = rouge_scorer.RougeScorer(["rougeL"]).score(reference, answer)["rougeL"].fmeasure
    assert value(rouge_l, answer, reference) == pytest.approx(1 - oracle, abs=1e-12)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_bleu_is_that_of_sacrebleu(answer: str, known: list[str]) -> None:
    oracle = sacrebleu.sentence_bleu(answer, known).score
    assert value(bleu, answer, *known) == pytest.approx(1 - oracle / 100, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("The cat sat.", "cat sat", 1.0),
        ("Barack Obama", "President Barack Obama", 0.8),  # 2·(1·2/3)/(1 + 2/3)
        ("dog", "cat", 0.0),
        ("the", "The", 1.0),
    ],
)
def test_token_f1_follows_squad(answer: str, reference: str, f1: float) -> None:
    assert value(token_f1, answer, reference) == pytest.approx(1 - f1)


@pytest.mark.parametrize(
    ("answer", "known", "wrong"),
    [
        ("Paris.", ["paris"], 0.0),
        ("The Beatles", ["beatles"], 0.0),
        ("Rome", ["Paris", "Rome!"], 0.0),
        ("In Paris", ["Paris"], 1.0),
        ("巴黎。", ["巴黎"], 0.0),
    ],
)
def test_an_exact_match_overlooks_case_punctuation_and_articles(answer: str, known: list[str], wrong: float) -> None:
    assert value(exact_match, answer, *known) == wrong


@pytest.mark.parametrize("score", [exact_match, token_f1, rouge_l, bleu])
@given(answer=st.text(max_size=50), known=st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=3))
def test_the_best_reference_counts_and_the_value_is_a_share(score, answer: str, known: list[str]) -> None:
    found = value(score, answer, *known)
    assert found is None or 0.0 <= found <= 1.0
    if found is not None and score is not bleu:
        assert found == min(value(score, answer, each) for each in known)


@pytest.mark.parametrize("score", [exact_match, token_f1, rouge_l, bleu])
@pytest.mark.parametrize("text", ["The cat sat on the mat.", "我们去公园散步。"])
def test_the_reference_itself_is_perfect(score, text: str) -> None:
    assert value(score, text, text) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"extra": {"reference_answer": "Rome"}}, ["Rome"]),
        ({"extra": {"reference_answer": ["Rome", 3, "Roma"]}}, ["Rome", "Roma"]),
        ({"extra": {"reference_answer": {"a": 1}}}, []),
        ({"feedback": [{"kind": "correction", "value": "Rome"}, {"kind": "thumb", "value": "up"}]}, ["Rome"]),
        ({"feedback": [{"kind": "label", "value": "bad"}]}, []),
        ({"feedback": [{"kind": "label", "value": {"reference_answer": "Rome"}}]}, ["Rome"]),
        ({"feedback": [{"kind": "correction", "value": " "}]}, []),
        ({}, []),
    ],
)
def test_references_are_corrections_labels_and_the_trace_s_own(fields: dict[str, Any], found: list[str]) -> None:
    (item,) = decoded([line(1, **fields)])
    assert references(item.trace) == found
