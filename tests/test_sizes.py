import numpy as np
import pytest

from monitor.sizes import moved_most


def test_the_category_whose_share_moved_most_is_told_with_who_has_it() -> None:
    before, after = ["stop"] * 8 + ["length", None], ["stop"] * 5 + ["length"] * 4 + ["tool"]
    name, first, second = moved_most(before, after)

    assert name in ("stop", "length")  # both moved by three tenths
    assert abs(second.mean() - first.mean()) == pytest.approx(0.3)
    assert set(np.concatenate([first, second])) == {0.0, 1.0}


def test_a_value_that_disappears_moves_as_a_category_without_a_name() -> None:
    name, first, second = moved_most(["en"] * 10, ["en"] * 6 + [None, "de"] + [None] * 2)

    assert (name, first.mean(), second.mean()) == ("en", 1.0, 0.6)
    assert moved_most([None] * 5, ["a", "b", None, "c", "d"])[0] == ""
