import numpy as np
import pytest

from detectors.attention import lookback
from detectors.columns import columns
from detectors.tokens import Sentences


def test_the_sentence_that_looks_away_from_the_context_decides() -> None:
    ratios = columns([[0.9, 0.8, 0.2, 0.1]], name="lookback ratios", most=1.0)
    (score,) = lookback(ratios, [Sentences(np.array([0, 2]), ((0, 8), (9, 20)))])
    assert (score.value, score.spans) == (pytest.approx(0.85), ((9, 20),))


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        ([], "insufficient_input", "no lookback ratios"),
        ([0.5, 1.5], "error", "lookback ratios must be from 0 to 1; got 1.5 at token 1"),
    ],
)
def test_what_is_no_share_has_a_reason(row: list[float], status: str, reason: str) -> None:
    (score,) = lookback(columns([row], name="lookback ratios", most=1.0), [None])
    assert (score.status, score.reason) == (status, reason)
