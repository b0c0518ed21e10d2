from collections.abc import Mapping

import numpy as np
import pytest

from detectors.evidence import Evidence, compare
from detectors.lexicon import Lexicon

PLAIN = Lexicon({}, 99, {}, {})
KIN = Lexicon({}, 99, {"pour": frozenset({"dump"})}, {"ris": frozenset({"fall"})})
PASSAGES = [
    "The bridge opened in 1932. It carries eight lanes of traffic.",
    "The tunnel opened in 1992. It is 2.3 km long, and prices fall there.",
]


def read(answer: str, passages: list[str] | None = None, lexicon: Lexicon = PLAIN, question: str = "") -> Evidence:
    found = compare(answer, PASSAGES if passages is None else passages, question, lexicon)
    assert found is not None
    return found


def column(found: Evidence, name: str) -> Mapping[str, float]:
    values = found.features[:, found.names.index(name)]
    return dict(zip(found.answer.words, values.tolist(), strict=True))


def test_a_fact_of_another_sentence_is_swapped_and_not_novel() -> None:
    found = read("The bridge that carries eight lanes of traffic opened in 1992.")
    assert (column(found, "held")["1992"], column(found, "swapped_number")["1992"]) == (1, 1)
    assert not found.novel.any()


def test_the_right_fact_is_not_swapped() -> None:
    found = read("The bridge opened in 1932.")
    assert column(found, "swapped_number")["1932"] == 0
    assert found.best == [(0, (0, 26))]


def test_a_number_in_the_slot_of_another_is_told() -> None:
    found = read("The bridge opened in 1933.")
    assert column(found, "slot_number")["1933"] == 1
    assert column(found, "number_rivals")["1933"] == pytest.approx(np.log(2))


def test_a_word_between_the_same_neighbours_stands_in_a_slot() -> None:
    found = read("It carries nine lanes of traffic.")
    assert {word for word, value in column(found, "slot").items() if value} == {"nine"}


def test_a_run_of_copied_words_counts_for_each_of_them() -> None:
    found = read("Surely it carries eight lanes.")
    assert column(found, "run") == pytest.approx(
        {"Surely": 0.0, **dict.fromkeys(("it", "carries", "eight", "lanes"), np.log(5) / 3)}
    )


def test_synonyms_and_opposites_are_seen_where_the_sentence_is_held() -> None:
    found = read("Prices rise there.", lexicon=KIN)
    assert column(found, "antonym_best")["rise"] == 1
    found = read("They poured paint.", ["They dumped paint."], lexicon=KIN)
    assert (column(found, "synonym_best")["poured"], column(found, "strange")["poured"]) == (1, 0)


def test_a_passage_cited_for_what_another_says_has_a_margin() -> None:
    wrong, right = "The bridge opened in 1932 (passage 2).", "The bridge opened in 1932 (passage 1)."
    margins = [column(read(answer), "cited_margin")["bridge"] for answer in (wrong, right)]
    assert (margins[0] > 0.4, margins[1] < 0) == (True, True)


def test_a_sentence_without_a_citation_is_held_to_the_last_one() -> None:
    found = read("Passage 2 speaks of it. The bridge carries eight lanes of traffic.")
    assert column(found, "last_cited_margin")["lanes"] > 0.5
    assert column(found, "cites")["lanes"] == 0


def test_a_passage_that_is_not_there_is_missing() -> None:
    assert column(read("So says passage 3."), "cited_missing")["says"] == 1


def test_what_is_called_absent_and_is_there_is_covered() -> None:
    found = read("The passages do not mention how many lanes of traffic the bridge carries.")
    assert column(found, "absent_covered")["lanes"] > 0.5


def test_words_of_the_question_are_not_novel() -> None:
    assert read("Ferries sail.", question="Do ferries sail?").novel.tolist() == [False, False]
    assert read("Ferries sail.").novel.tolist() == [True, True]


@pytest.mark.parametrize(
    ("answer", "passages"), [("", ["a word"]), ("...", ["a word"]), ("a word", []), ("a word", ["", "?"])]
)
def test_without_words_there_is_nothing_to_compare(answer: str, passages: list[str]) -> None:
    assert compare(answer, passages, "", PLAIN) is None


@pytest.mark.parametrize(
    "answer", ["word", "a", "1", "字", "\ud800 x", "İ x", "a\x00b", "- \n\n* x", "x" * 5000, "7 " * 3000]
)
@pytest.mark.parametrize("passage", ["word", "a b", "字", "\ud800", "1 " * 9000])
def test_any_text_gives_finite_features(answer: str, passage: str) -> None:
    found = compare(answer, [passage, "", passage], answer, KIN)
    assert found is None or bool(np.isfinite(found.features).all())
