"""What every set of pairs holds, whatever people said and however they contradict each other."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitor.exporting.pairs import Answer, Rules, pairs_of

START = datetime(2026, 5, 1, tzinfo=UTC)
TEXTS = st.sampled_from(["a", " a", "b", "c", "d"])


def answer(place: int, text: str, bad: bool | None = None, **more: object) -> Answer:
    return Answer(f"t{place}", START + timedelta(seconds=place), "bot", text, bad, **more)  # type: ignore[arg-type]


@st.composite
def questions(draw: st.DrawFn) -> list[Answer]:
    found = []
    for place in range(draw(st.integers(0, 8))):
        correction = draw(st.none() | TEXTS)
        bad = True if correction is not None else draw(st.sampled_from([None, True, False]))
        score = draw(st.none() | st.floats(0, 1))
        found.append(answer(place, draw(TEXTS), bad, correction=correction, score=score))
    return found


@given(questions(), st.integers(1, 5), st.sampled_from([None, "risk"]))
def test_the_laws_of_pairs(answers: list[Answer], most: int, score: str | None) -> None:
    rules = Rules(most, score, 0.3)
    pairs = list(pairs_of(answers, rules, Counter()))
    texts = [(pair.chosen.strip(), pair.rejected.strip()) for pair in pairs]
    known = {each.text.strip() for each in answers} | {(each.correction or "").strip() for each in answers}
    assert all(chosen != rejected for chosen, rejected in texts)
    assert len(set(texts)) == len(texts)
    assert not {(rejected, chosen) for chosen, rejected in texts} & set(texts)
    assert {text for pair in texts for text in pair} <= known
    assert all(pair.rejected_of in answers and pair.rejected_of.text == pair.rejected for pair in pairs)
    assert all(
        count <= most for source, count in Counter(each.source for each in pairs).items() if source != "correction"
    )
    for pair in pairs:
        if pair.source == "label":
            assert pair.chosen_of is not None
            assert (pair.chosen_of.bad, pair.rejected_of.bad) == (False, True)
        if pair.source == "score risk":
            assert pair.chosen_of is not None
            assert (pair.rejected_of.score or 0) - (pair.chosen_of.score or 0) >= 0.3
            assert pair.chosen_of.bad is not True
            assert pair.rejected_of.bad is not False
    assert pairs == list(pairs_of(answers, rules, Counter()))


def made(answers: list[Answer], rules: Rules | None = None) -> list[tuple[str, str, str]]:
    return [(each.source, each.chosen, each.rejected) for each in pairs_of(answers, rules or Rules(), Counter())]


def test_a_correction_is_preferred_to_what_it_corrects() -> None:
    assert made([answer(1, "bad", True, correction="better")]) == [("correction", "better", "bad")]
    assert made([answer(1, "bad", True, correction=" bad ")]) == []
    assert made([answer(1, "fine", False, correction="better")]) == []  # called good after it was corrected


def test_good_is_preferred_to_bad_and_each_is_used_before_any_is_used_again() -> None:
    answers = [answer(1, "g1", False), answer(2, "g2", False), answer(3, "b1", True), answer(4, "b2", True)]
    pairs = [("label", "g1", "b1"), ("label", "g2", "b2"), ("label", "g1", "b2"), ("label", "g2", "b1")]
    assert made(answers) == pairs
    assert made(answers, Rules(most=3)) == pairs[:3]
    assert made(answers[:3]) == [("label", "g1", "b1"), ("label", "g2", "b1")]
    assert made([answers[0], answers[2], answers[3]]) == [("label", "g1", "b1"), ("label", "g1", "b2")]


def test_an_answer_called_good_here_and_bad_there_is_in_no_pair() -> None:
    skipped: Counter[str] = Counter()
    answers = [answer(1, "x", False), answer(2, "x", True), answer(3, "y", True)]
    assert list(pairs_of(answers, Rules(), skipped)) == []
    assert skipped["called good and bad"] == 1


def test_scores_count_only_where_they_are_asked_for_and_lie_apart() -> None:
    answers = [
        answer(1, "a", score=0.9),
        answer(2, "b", score=0.1),
        answer(3, "c", score=0.3),
        answer(4, "d", score=0.5),
    ]
    assert made(answers) == []
    assert made(answers, Rules(score="risk")) == [("score risk", "b", "a")]
    assert made(answers, Rules(score="risk", margin=0.2)) == [("score risk", "b", "a"), ("score risk", "c", "d")]
