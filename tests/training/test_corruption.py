from dataclasses import replace

import numpy as np
import pytest

from benchmarks.scores.labelled import Label, Row
from detectors.evidence import compare
from detectors.lexicon import Lexicon
from training.grounding import corruption
from training.grounding.corruption import Known, applied, corrupt

PASSAGES = ("The old bridge opened in 1932 and, said Freeman, carries 8 lanes.", "The tunnel in Dover opened in 1992.")
ROW = Row("c", "s", "g", "Passage 1 says that the old bridge, said Freeman, opened in 1932.", PASSAGES, "", (), False)
KNOWN = Known({"old": ("new",)}, ("Roe",))


@pytest.mark.parametrize(
    ("way", "before", "after"),
    [
        (corruption.opposites, "old", {"new"}),
        (corruption.citations, "1", {"2"}),
        (corruption.names, "Freeman", {"Dover", "Roe"}),
    ],
)
def test_an_edit_replaces_a_fact_by_another(way: object, before: str, after: set[str]) -> None:
    assert callable(way)
    edits = [edit for seed in range(20) for edit in way(ROW, KNOWN, np.random.default_rng(seed))]
    assert {ROW.answer[slice(*span)] for span, _ in edits} == {before}
    assert {new for _, new in edits} == after


def test_a_number_never_becomes_itself() -> None:
    edits = [edit for seed in range(50) for edit in corruption.numbers(ROW, KNOWN, np.random.default_rng(seed))]
    assert "1992" in {new for _, new in edits}
    assert all(ROW.answer[slice(*span)] != new for span, new in edits)


def test_labels_move_with_the_text_before_them() -> None:
    row = replace(ROW, answer="one two three", labels=(Label(8, 13, "baseless"),))
    found = applied(row, [((0, 3), "eleven"), ((4, 7), "2")])
    assert found.answer == "eleven 2 three"
    told = sorted((found.answer[label.start : label.end], label.kind) for label in found.labels)
    assert told == [("2", "conflict"), ("eleven", "conflict"), ("three", "baseless")]


def test_a_corrupted_row_is_bad_and_the_same_for_the_same_seed() -> None:
    evidence = compare(ROW.answer, ROW.passages, "", Lexicon({}, 9, {}, {}))
    assert evidence is not None
    one, other = (corrupt(ROW, evidence, KNOWN, np.random.default_rng(3)) for _ in range(2))
    assert one is not None
    assert one == other
    assert one.bad
    assert one.labels


def test_without_its_passage_a_sentence_is_baseless() -> None:
    evidence = compare(ROW.answer, ROW.passages, "", Lexicon({}, 9, {}, {}))
    assert evidence is not None
    made = [corruption.without_passage(ROW, evidence, np.random.default_rng(seed)) for seed in range(9)]
    found = [row for row in made if row is not None]
    assert {row.passages for row in found} == {PASSAGES[1:]}
    assert {(label.start, label.end, label.kind) for row in found for label in row.labels} == {
        (0, len(ROW.answer), "baseless")
    }
