import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.sentences import split

TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(list(".!?… \n\r\t\"')*1aA。！"))))


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split(text)]


@given(TEXTS)
def test_sentences_are_ordered_disjoint_and_hold_every_character_but_space(text: str) -> None:
    spans = split(text)
    inside = [place for start, end in spans for place in range(start, end)]
    assert all(start < end for start, end in spans)
    assert inside == sorted(set(inside))
    assert all(text[place].isspace() for place in set(range(len(text))) - set(inside))


@given(TEXTS)
def test_no_sentence_begins_or_ends_with_space(text: str) -> None:
    assert all(sentence == sentence.strip() for sentence in sentences(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains. It pours!", ["It rains.", "It pours!"]),
        ("Dr. Roe met J. Smith.", ["Dr. Roe met J. Smith."]),
        ("It costs 3.5 dollars. Pay.", ["It costs 3.5 dollars.", "Pay."]),
        ("Fruit, e.g. apples. Eat.", ["Fruit, e.g. apples.", "Eat."]),
        ("He came at 5 p.m. today.", ["He came at 5 p.m. today."]),
        ("Wait... and see. Wait... Then see.", ["Wait... and see.", "Wait...", "Then see."]),
        ('He said "Go." She went.', ['He said "Go."', "She went."]),
        ("1. Mix\n2. Bake it.\n- Eat", ["1. Mix", "2. Bake it.", "- Eat"]),
        ("a line\nthat goes on\nEnd", ["a line\nthat goes on", "End"]),
        ("今日は。元気ですか？はい", ["今日は。", "元気ですか？", "はい"]),
        ("See http://a.b/c?d=e for more. Then go.", ["See http://a.b/c?d=e for more.", "Then go."]),
        ("Am I? I am. So am I. Good.", ["Am I?", "I am.", "So am I.", "Good."]),
        (" \n\t ", []),
        ("", []),
    ],
)
def test_a_text_splits_as_a_reader_would(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected
