import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.sentences import split
from detectors.tokens import offsets, sentences

TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


@st.composite
def cut_texts(draw) -> tuple[str, list[str]]:
    text = draw(TEXT)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0})
    return text, [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


@given(cut_texts())
def test_tokens_that_spell_the_answer_stand_where_they_were_cut(cut: tuple[str, list[str]]) -> None:
    text, tokens = cut
    found = offsets(text, tokens)
    if not text:
        assert found is None
    else:
        assert found == np.cumsum([0, *map(len, tokens[:-1])]).tolist()


@given(cut_texts())
def test_byte_offsets_say_the_same_as_the_tokens(cut: tuple[str, list[str]]) -> None:
    text, tokens = cut
    places = np.cumsum([0, *(len(token.encode()) for token in tokens[:-1])]).tolist()
    if text:
        assert offsets(text, (), places) == offsets(text, tokens)


@pytest.mark.parametrize(
    ("answer", "tokens", "expected"),
    [
        ("Det var 12.", [" Det", " var", " 12", "."], [0, 3, 7, 10]),
        ("La oropéndola", ["La", "Ġor", "op", "Ã©", "nd", "ola"], [0, 2, 5, 7, 8, 10]),
        ("ร้อน", ["à¸", "£à¹īà¸", "Ńà¸Ļ"], [0, 0, 2]),
        ("à é", ["▁à", "▁", "<0xC3>", "<0xA9>"], [0, 1, 2, 2]),
        ("Yes", ["<|start|>", "Yes", "<|end|>"], [0, 0, 3]),
        ("No", ["Yes"], None),
        ("No", [], None),
        ("", ["a"], None),
    ],
)
def test_tokens_are_read_as_text_as_sentencepiece_or_as_bytes(answer, tokens, expected) -> None:
    found = offsets(answer, tokens)
    assert found == expected


@pytest.mark.parametrize("places", [[0, 9], [-1, 1], [2, 1]])
def test_byte_offsets_outside_the_answer_are_not_believed(places: list[int]) -> None:
    assert offsets("abc", ["ab", "c"], places) is None


def test_a_byte_offset_within_a_character_is_that_characters() -> None:
    assert offsets("aé", (), [0, 1, 2, 3]) == [0, 1, 1, 2]


def test_a_sentence_begins_with_the_token_that_holds_its_first_character() -> None:
    answer = "It rains. It pours.\nIt is wet."
    found = sentences(answer, ["It", " rains", ".", " It", " pours", ".\n", "It", " is", " wet", "."])
    assert found.first.tolist() == [0, 3, 6]
    assert [answer[start:end] for start, end in found.spans] == ["It rains.", "It pours.", "It is wet."]


def test_an_answer_of_blanks_has_no_sentences() -> None:
    assert sentences("  ", [" ", " "]) is None


@given(cut_texts())
def test_sentences_have_a_token_each_in_order(cut: tuple[str, list[str]]) -> None:
    text, tokens = cut
    found = sentences(text, tokens)
    if found is not None:
        assert found.spans == tuple(split(text))
        assert found.first[0] == 0
        assert (np.diff(found.first) >= 0).all()
        assert found.first[-1] < len(tokens)
