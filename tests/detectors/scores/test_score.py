import math
import re

import pytest

from detectors.score import Score, abstained, failed, insufficient, ok


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.001, 1.001])
def test_a_value_outside_the_unit_interval_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"from 0 to 1, got {value}")):
        ok(value)


def test_a_score_without_a_value_is_not_ok() -> None:
    with pytest.raises(ValueError, match="if and only if it is ok"):
        Score(None, "ok")


def test_an_abstention_has_no_value() -> None:
    with pytest.raises(ValueError, match="if and only if it is ok"):
        Score(1.0, "abstained")


def test_the_constructors_name_their_status() -> None:
    assert ok(1.0, ((0, 2),)) == Score(1.0, "ok", None, ((0, 2),))
    assert insufficient("no context") == Score(None, "insufficient_input", "no context")
    assert abstained("declines") == Score(None, "abstained", "declines")
    assert failed("raw logits") == Score(None, "error", "raw logits")
