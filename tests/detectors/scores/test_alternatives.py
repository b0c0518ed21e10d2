import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import entropy

from detectors.alternatives import Alternatives, alternatives

TOKEN = st.lists(st.floats(-30.0, 8.0), min_size=2, max_size=12)
ROWS = st.lists(st.lists(TOKEN, max_size=5), max_size=4)


def top(logits: list[float], k: int) -> list[float]:
    """The k largest log-probabilities, in no order."""
    return sorted(np.sort(log_softmax(logits))[-k:].tolist(), key=math.sin)


def told(found: Alternatives, place: int) -> list[tuple[float, ...] | str | None]:
    """What each column holds of one answer; its complaint where it holds nothing."""
    out: list[tuple[float, ...] | str | None] = []
    for column in (found.entropy, found.tail, found.margin):
        if column.complaints[place] is not None:
            out.append(column.complaints[place].reason)
            continue
        at = column.kept.index(place)
        out.append(tuple(column.flat[column.starts[at] :][: column.lengths[at]].tolist()))
    return out


@given(ROWS)
def test_the_whole_vocabulary_gives_its_entropy_and_margin(rows: list[list[list[float]]]) -> None:
    """Oracle: SciPy's entropy."""
    found = alternatives([[top(token, len(token)) for token in row] for row in rows])
    kept = [token for row in rows for token in row]
    p = [np.sort(np.exp(log_softmax(token))) for token in kept]
    assert found.entropy.flat == pytest.approx([entropy(each) for each in p], abs=1e-9)
    assert found.tail.flat == pytest.approx([0.0] * len(kept), abs=1e-9)
    assert found.margin.flat == pytest.approx([1 - (each[-1] - each[-2]) for each in p], abs=1e-9)


@given(TOKEN, st.integers(2, 12))
def test_the_rest_is_one_bucket_of_the_entropy(logits: list[float], k: int) -> None:
    known = np.exp(top(logits, k))
    rest = max(0.0, 1 - known.sum())
    found = alternatives([[top(logits, k)]])
    assert found.entropy.flat[0] == pytest.approx(entropy([*known, rest]), abs=1e-6)
    assert found.tail.flat[0] == pytest.approx(rest, abs=1e-9)


@given(ROWS)
def test_an_answer_does_not_depend_on_its_batch(rows: list[list[list[float]]]) -> None:
    given_rows = [[top(token, 2) for token in row] for row in rows]
    found = alternatives(given_rows)
    assert [told(found, i) for i in range(len(rows))] == [told(alternatives([row]), 0) for row in given_rows]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([], "no top-k"),
        ([[-1.0, -2.0], [-1.0]], "fewer than two alternatives of a token"),
        ([[-1.0, -math.inf]], "log-probabilities of alternatives must be finite"),
        (
            [[-1.0, -2.0], [12.0, 11.0]],
            "probabilities of a token's alternatives must sum to at most 1; got 5.44 at token 1: raw logits?",
        ),
    ],
)
def test_what_cannot_be_alternatives_has_a_reason(row: list[list[float]], reason: str) -> None:
    good = [[math.log(0.5), math.log(0.25)]]
    found = alternatives([good, row, good])
    assert told(found, 1) == [reason] * 3
    assert told(found, 0) == told(found, 2) == told(alternatives([good]), 0)
