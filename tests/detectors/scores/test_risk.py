import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from detectors.risk import POOL, Member, Pool, gathered, learn, pooled, risk
from detectors.score import Score, abstained, insufficient, ok

NONE = insufficient("nothing to read")
NAMES = [member.score for member in POOL.members]
VALUE = st.none() | st.floats(0, 1)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, VALUE)), max_size=6)


def columns(rows: list[dict[str, float | None]]) -> dict[str, list[Score]]:
    return {name: [NONE if row[name] is None else ok(row[name]) for row in rows] for name in NAMES}


@given(ROWS)
def test_every_trace_has_a_risk_unless_it_has_no_member_and_apart_from_its_batch(rows) -> None:
    found = risk(columns(rows), POOL)
    assert [score.status == "ok" for score in found] == [any(v is not None for v in row.values()) for row in rows]
    assert found == [risk(columns([row]), POOL)[0] for row in rows]


@given(ROWS, st.sampled_from(NAMES), st.floats(0, 1))
def test_a_worse_score_never_makes_the_risk_smaller(rows, name: str, worse: float) -> None:
    for row in rows:
        if row[name] is not None:
            (before,), (after,) = (
                risk(columns([row]), POOL),
                risk(columns([{**row, name: max(worse, row[name])}]), POOL),
            )
            assert after.value >= before.value


def test_what_a_trace_has_is_pooled_by_hand() -> None:
    pool = Pool(0.1, (Member("a", 1.0, 0.0), Member("b", 2.0, -1.0), Member("c", 1.0, 0.0)))
    (both,) = risk({"a": [ok(0.8)], "b": [ok(0.6)], "c": [NONE]}, pool)
    (one,) = risk({"a": [ok(0.8)], "b": [NONE], "c": [NONE]}, pool)
    assert both.value == pytest.approx(expit(logit(0.1) + (logit(0.8) + 2 * logit(0.6) - 1) / np.sqrt(2)))
    assert one.value == pytest.approx(expit(logit(0.1) + logit(0.8)))


def test_a_score_is_silent_where_a_trace_has_the_better_one() -> None:
    with_both = risk({"grounding": [ok(0.9)], "grounding.lexical": [ok(0.1)]}, POOL)
    assert with_both == risk({"grounding": [ok(0.9)], "grounding.lexical": [NONE]}, POOL)
    assert risk({"grounding": [NONE], "grounding.lexical": [ok(0.1)]}, POOL)[0].status == "ok"


def test_an_answer_that_only_declines_has_no_risk() -> None:
    declining, lacking = risk({"grounding": [abstained("the answer only declines"), NONE]}, POOL)
    assert (declining.status, lacking.status) == ("abstained", "insufficient_input")
    assert lacking.reason == f"none of {', '.join(NAMES)}"


def told(random: np.random.Generator, count: int, *, tells: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two scores, of which one goes with the label and the other does not; half of either is missing."""
    bad = random.uniform(size=count) < 0.3
    good = random.normal(size=count)
    made = {tells: expit(good + 2.0 * bad - 1.0), "uncertainty.peak": expit(random.normal(size=count))}
    return {name: np.where(random.uniform(size=count) < 0.5, value, np.nan) for name, value in made.items()}, bad


def test_labels_raise_the_weight_of_what_tells_and_lower_that_of_what_does_not() -> None:
    found = learn(*told(np.random.default_rng(0), 4000, tells="consistency.agreement"))
    weights = {member.score: member.weight for member in found.members}
    assert weights["consistency.agreement"] > 1.5
    assert weights["uncertainty.peak"] < 0.3
    assert weights["grounding"] == 1.0  # nothing was seen of it
    assert found.prior != POOL.prior


def test_a_few_labels_hardly_move_the_weights() -> None:
    found = learn(*told(np.random.default_rng(1), 6, tells="consistency.agreement"))
    assert all(abs(member.weight - 1.0) < 0.5 for member in found.members)
    assert learn({"grounding": np.array([np.nan])}, np.array([True])) == POOL


def test_what_was_learned_beats_what_was_believed_on_new_traces() -> None:
    random = np.random.default_rng(2)
    learned = learn(*told(random, 1000, tells="consistency.agreement"))
    values, bad = told(random, 4000, tells="consistency.agreement")

    def loss(pool: Pool) -> float:
        total, known = pooled(gathered(values, pool), pool)
        odds = logit(pool.prior) + total[known]
        return float((np.logaddexp(0, odds) - bad[known] * odds).mean())

    assert loss(learned) < loss(POOL) - 0.02
