import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from detectors.risk import POOL, Member, Pool, risk
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
