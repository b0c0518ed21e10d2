import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.abstention import abstention, hedging

TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(["İ", "’", " ", "\n"])), max_size=60
)


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "I don’t know the answer to that.",
        "I'm sorry, I can't help with that.",
        "Unable to answer based on given passages.",
        "Based on the given passages, I am unable to determine the year.",
        "The provided context does not contain the phone number.",
        "As an AI, I have no opinion.",
        "Ich weiß es leider nicht.",
        "Great question! I have no idea.",
        "Lo siento, no tengo esa informacion.",
        "Je ne sais pas.",
    ],
)
def test_a_refusal_is_an_abstention(text: str) -> None:
    assert abstention([text])[0].value == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "The bridge opened in 1932.",
        "The bridge opened in 1932. However, the passages do not mention its architect.",
        "Lisbon. I cannot provide more.",
        "- Mix the flour\n- Bake\nI cannot help with the rest.",
        "Nobody was unable to attend, he wrote.",
        "You can't park here.",
    ],
)
def test_an_answer_is_not_an_abstention(text: str) -> None:
    assert abstention([text])[0].value == 0.0


def test_a_refusal_that_turns_into_an_answer_counts_half() -> None:
    turned = "I'm not sure, but it opened in 1932."
    long = "I don't know. " + "The bridge opened in 1932 and carries eight lanes. " * 10
    assert [score.value for score in abstention([turned, long])] == [0.5, 0.5]


def test_the_span_of_an_abstention_is_its_cue() -> None:
    text = "Well, I really don’t know."
    (score,) = abstention([text])
    assert [text[start:end] for start, end in score.spans] == ["I really don’t know"]


def test_hedges_are_counted_per_sentence() -> None:
    text = "It may rain, perhaps. It will not snow. Probably. We know this."
    (score,) = hedging([text])
    assert score.value == 0.75
    assert [text[start:end] for start, end in score.spans] == ["may", "perhaps", "Probably"]


def test_more_hedges_than_sentences_count_as_one_each() -> None:
    assert hedging(["It may, might, or could possibly rain."])[0].value == 1.0


def test_a_hedge_inside_another_word_is_none() -> None:
    assert hedging(["Dismay at the mayor; unmighty maypoles."])[0].value == 0.0


def test_hedges_of_other_languages_count() -> None:
    texts = ["Es regnet vielleicht.", "Quizás llueva.", "Il pleut peut-être."]
    assert [score.value for score in hedging(texts)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("score", [abstention, hedging])
@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_answer_is_insufficient(score, text: str) -> None:
    assert (score([text])[0].status, score([text])[0].reason) == ("insufficient_input", "empty answer")


@pytest.mark.parametrize("score", [abstention, hedging])
@given(TEXTS, TEXTS)
def test_spans_keep_their_offsets_whatever_letters_come_before(score, before: str, after: str) -> None:
    text = before + " I think İ don't know, perhaps " + after
    (found,) = score([text])
    assert found.value is not None
    assert 0.0 <= found.value <= 1.0
    assert all(0 <= start < end <= len(text) for start, end in found.spans)
    assert score is abstention or "perhaps" in [text[start:end] for start, end in found.spans]


@pytest.mark.parametrize(
    "unit", ["i ", "I really ", "a", " ", "\n", "it is ", "as far as i ", "may", ". ", "İ", "passages "]
)
@pytest.mark.parametrize("score", [abstention, hedging])
def test_a_long_text_never_blows_up(score, unit: str) -> None:
    text = (unit * 100_000)[:100_000] + "."
    began = time.process_time()
    (found,) = score([text])
    spent = time.process_time() - began
    assert found.status in ("ok", "insufficient_input")
    assert spent < 5.0  # some 0.03 s where the search is linear, minutes where it is not
