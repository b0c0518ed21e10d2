import numpy as np

from detectors.score import ok
from monitor.model.scored import Scored, joined
from tests.stores import decoded, line

ONE = Scored(decoded([line(1)]), {"x": np.array([1.0]), "k": ["a"], "only": np.array([0.0])}, {"s": [ok(0.5)]})
TWO = Scored(decoded([line(2), line(3)]), {"x": np.array([2.0, 3.0]), "k": ["b", None]}, {"s": [ok(0.1), ok(0.2)]})
EMPTY = Scored([], {}, {})


def test_two_batches_become_one_with_the_columns_that_both_have() -> None:
    found = joined(ONE, TWO)

    assert [item.trace.id for item in found.traces] == ["t1", "t2", "t3"]
    assert found.columns.keys() == {"x", "k"}
    assert (list(found.columns["x"]), list(found.columns["k"])) == ([1.0, 2.0, 3.0], ["a", "b", None])
    assert [score.value for score in found.scores["s"]] == [0.5, 0.1, 0.2]


def test_an_empty_batch_takes_no_column_away() -> None:
    assert joined(ONE, EMPTY) is ONE
    assert joined(EMPTY, TWO) is TWO
