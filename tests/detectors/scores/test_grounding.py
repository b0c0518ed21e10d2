import gzip
import json
import math
import re
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.grounding import claims, lexical
from detectors.score import Score

VOCABULARY = (
    "the bridge opened in 1932 Ralph Freeman designed carries eight 8 lanes lane . ! \n 1. Passage 2 橋 は 不 İ"
)
WORDS = st.sampled_from(re.split(" ", VOCABULARY))
PHRASES = st.lists(WORDS, max_size=25).map(" ".join)
TEXTS = st.one_of(PHRASES, st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
CONTEXT = ["The bridge opened in 1932.", "It carries eight lanes of traffic across the harbour."]


def one(answer: str, passages: list[str], question: str = "") -> Score:
    return lexical([answer], [passages], questions=[question])[0]


@given(TEXTS, st.lists(TEXTS, max_size=3), TEXTS)
def test_a_value_is_finite_or_a_reason_is_given(answer: str, passages: list[str], question: str) -> None:
    score = one(answer, passages, question)
    assert (score.value is None) == (score.reason is not None)
    assert score.value is None or 0.0 <= score.value <= 1.0


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_spans_are_ordered_words_of_the_answer(answer: str, passages: list[str]) -> None:
    spans = one(answer, passages).spans
    places = [place for span in spans for place in span]
    assert places == sorted(places)
    assert all(0 <= start < end <= len(answer) and answer[start:end].strip() for start, end in spans)


@given(st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=3)), max_size=5))
def test_a_score_has_the_same_bits_alone_and_in_a_batch(traces: list[tuple[str, list[str]]]) -> None:
    together = lexical([answer for answer, _ in traces], [passages for _, passages in traces])
    assert together == [one(answer, passages) for answer, passages in traces]


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), TEXTS)
def test_another_passage_never_makes_an_answer_worse(answer: str, passages: list[str], another: str) -> None:
    before, after = one(answer, passages), one(answer, [*passages, another])
    assert before.value is None or (after.value is not None and after.value <= before.value)


@given(PHRASES, st.permutations(CONTEXT))
def test_the_order_of_the_passages_does_not_matter(answer: str, passages: list[str]) -> None:
    assert one(answer, passages) == one(answer, CONTEXT)


@given(PHRASES)
def test_a_copy_of_a_passage_is_held(passage: str) -> None:
    score = one(passage, [passage])
    assert score.value in (0.0, None)
    assert score.spans == ()


def test_the_value_follows_the_formula() -> None:
    # "designed" is a novel word (1), the names count 3 each: mass 7; no neighbouring pair is shared: 3 of (3 + 2).
    # Beside "bridge", a pair with "the", "rusty" is novel (1) and unpaired: 1 of (2 + 2).
    answer = "It was designed by Ralph Freeman. The bridge is rusty."
    score = one(answer, CONTEXT)
    assert score.value == pytest.approx(1 - math.exp(-(7 * 3 / 5 + 1 * 1 / 4) / 4), rel=1e-12)
    assert [answer[start:end] for start, end in score.spans] == ["designed", "Ralph", "Freeman", "rusty"]


def test_the_response_is_the_noisy_or_of_its_claims() -> None:
    answer = "It was designed by Ralph Freeman. The bridge is rusty. It opened in 1932."
    missed = math.prod(1 - claim.value for claim in claims(answer, CONTEXT))
    assert one(answer, CONTEXT).value == pytest.approx(1 - missed, rel=1e-12)


def test_a_claim_knows_its_words() -> None:
    (claim,) = claims("Today it carries eight lanes of cars.", CONTEXT)
    assert (claim.words, claim.content, claim.novel, claim.novel_mass) == (7, 5, ((0, 5), (32, 36)), 2.0)
    assert (claim.unpaired, claim.copied) == (2, 5)


def test_inflection_and_numerals_do_not_make_a_word_novel() -> None:
    assert one("The bridges carried 8 lanes.", CONTEXT).spans == ()


def test_a_novel_number_weighs_three_novel_words() -> None:
    number, word = claims("opened 1933", CONTEXT)[0], claims("opened yesterday", CONTEXT)[0]
    assert (number.novel_mass, word.novel_mass) == (3.0, 1.0)


def test_a_word_of_the_question_is_not_novel() -> None:
    assert one("Ralph Freeman opened it.", CONTEXT, "Who was Ralph Freeman?").spans == ()


def test_pointers_into_the_context_and_list_numbers_are_not_claims() -> None:
    assert one("1. It opened in 1932 (Passage 7).\n2. It carries traffic [12].", CONTEXT).spans == ()


def test_talk_about_the_answer_itself_is_not_a_claim() -> None:
    assert one("Based on the provided passages, the bridge opened in 1932.", CONTEXT).value == 0.0


def test_a_fact_held_by_one_of_many_passages_is_held() -> None:
    assert one("It carries eight lanes.", ["Nothing here.", *CONTEXT, "Nor here."]).value == 0.0


def test_a_refusal_abstains_and_is_not_called_ungrounded() -> None:
    score = one("Unable to answer based on given passages.", CONTEXT)
    assert (score.status, score.value) == ("abstained", None)


def test_a_refusal_that_goes_on_to_claim_is_scored() -> None:
    score = one("I don't know for certain, but Ralph Freeman designed it.", CONTEXT)
    assert score.status == "ok"
    assert score.value > 0.5


@pytest.mark.parametrize("passages", [[], [""], [" \n", ""]])
def test_without_context_there_is_no_score(passages: list[str]) -> None:
    score = one("It opened in 1932.", passages)
    assert (score.status, score.reason) == ("insufficient_input", "no context")


@pytest.mark.parametrize(
    ("answer", "reason"), [("", "empty answer"), (" \n", "empty answer"), ("?!", "no words in the answer")]
)
def test_without_an_answer_there_is_no_score(answer: str, reason: str) -> None:
    score = one(answer, CONTEXT)
    assert (score.status, score.reason) == ("insufficient_input", reason)


def test_answers_and_contexts_must_pair_up() -> None:
    with pytest.raises(ValueError, match="shorter"):
        lexical(["one", "two"], [CONTEXT])


def calls(act: Callable[[], object]) -> int:
    """How many functions, Python's and C's, the act calls."""
    counted = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return counted


def test_twice_the_text_costs_twice_the_calls() -> None:
    answer, passage = "It was designed by Ralph Freeman. ", "The bridge opened in 1932. "
    small = calls(lambda: one(answer * 200, [passage * 200]))
    large = calls(lambda: one(answer * 400, [passage * 400]))
    assert large <= 2.1 * small


@pytest.mark.parametrize(
    "unit",
    [
        "a ",
        "\n",
        " ",
        "1.",
        "1,",
        "passage ",
        "passage 1, ",
        "(",
        "[1",
        "'",
        "a'",
        "A. ",
        "...",
        "橋",
        "\x00",
        "\u0301",
    ],
)
def test_a_long_text_never_blows_up(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    began = time.process_time()
    score = one(text, [text[::-1]])
    spent = time.process_time() - began
    assert score.status in ("ok", "insufficient_input")
    assert spent < 5.0  # some 0.3 s where the work is linear, minutes where it is not


@pytest.mark.real_data
def test_hallucinated_answers_score_higher_on_real_data(shared_data) -> None:
    with gzip.open(shared_data / "ragtruth_qa" / "source_qa_train.jsonl.gz", "rt") as lines:
        sources = {row["source_id"]: row["source_info"] for row in map(json.loads, lines)}
    with gzip.open(shared_data / "ragtruth_qa" / "response_qa_train.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    scores = lexical(
        [row["response"] for row in rows],
        [re.split(r"passage \d+:", sources[row["source_id"]]["passages"]) for row in rows],
        questions=[sources[row["source_id"]]["question"] for row in rows],
    )
    bad = np.array([bool(row["labels"]) for row in rows])
    values = np.array([score.value or 0.0 for score in scores])
    wins = (values[bad][:, None] > values[~bad]).mean() + (values[bad][:, None] == values[~bad]).mean() / 2
    declined = [row for row, score in zip(rows, scores, strict=True) if score.status == "abstained"]
    assert wins > 0.78
    assert len(declined) > 50
    assert sum(bool(row["labels"]) for row in declined) <= 3
