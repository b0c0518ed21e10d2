"""The laws of every feature map."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import FeatureMap, Sum, summarise
from detectors.reference import fit_map, take
from detectors.stack import Stack

from .conftest import Columns

NAMES = ("normal", "heavy", "counts", "constant", "absent", "label", "embedding", "relation")
ROWS = 60


@pytest.fixture(scope="module")
def maps(columns: Columns, kinds: Any) -> dict[str, FeatureMap]:
    fitted = columns(np.random.default_rng(0), 300)
    return {name: fit_map(fitted[name], kind, seed=0) for name, kind in kinds.items()}


@pytest.fixture(scope="module")
def fresh(columns: Columns) -> dict[str, Any]:
    """New rows, some of them missing, far out or unknown."""
    drawn = columns(np.random.default_rng(1), ROWS)
    drawn["heavy"][:4] = [1e300, -1e300, np.inf, -np.inf]
    drawn["constant"][:2] = [6.0, np.nan]
    drawn["label"][0] = "unknown"
    drawn["embedding"][0, 3] = np.nan
    drawn["relation"][1, -1] = np.nan
    return drawn


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=20)
@given(cut=st.integers(0, ROWS), order=st.permutations(range(ROWS)))
def test_sums_of_parts_add_to_the_sum_of_the_whole(
    maps: dict[str, FeatureMap], fresh: dict[str, Any], name: str, cut: int, order: list[int]
) -> None:
    rows = np.array(order)
    whole = summarise(maps[name].apply(fresh[name]))
    first = summarise(maps[name].apply(take(fresh[name], rows[:cut])))
    second = summarise(maps[name].apply(take(fresh[name], rows[cut:])))
    together = first + second
    assert together.n == whole.n == ROWS
    np.testing.assert_allclose(together.total, whole.total, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_has_the_same_features_alone_and_in_company(
    maps: dict[str, FeatureMap], fresh: dict[str, Any], name: str
) -> None:
    together = maps[name].apply(fresh[name])
    alone = np.vstack([maps[name].apply(take(fresh[name], np.array([row]))) for row in range(ROWS)])
    np.testing.assert_allclose(alone, together, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_tested_features_are_no_longer_than_the_bound(
    maps: dict[str, FeatureMap], fresh: dict[str, Any], name: str
) -> None:
    features = maps[name].apply(fresh[name])
    assert features.shape == (ROWS, maps[name].size)
    assert np.isfinite(features).all()
    assert np.linalg.norm(features[:, : maps[name].tested], axis=1).max() <= maps[name].bound + 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_value_is_a_coordinate_of_its_own(
    maps: dict[str, FeatureMap], fresh: dict[str, Any], name: str
) -> None:
    gone = [None, None] if name == "label" else np.full_like(np.asarray(fresh[name])[:2], np.nan)
    expected = np.zeros(maps[name].size)
    expected[maps[name].tested - 1] = 1.0
    features = maps[name].apply(gone)
    np.testing.assert_array_equal(features, [expected, expected])
    np.testing.assert_array_equal(maps[name].missing, expected)


def test_no_rows_have_the_zero_sum(maps: dict[str, FeatureMap], fresh: dict[str, Any]) -> None:
    stack = Stack(maps)
    empty = summarise(stack.apply({name: column[:0] for name, column in fresh.items()}))
    assert empty.n == 0
    np.testing.assert_array_equal(empty.total, Sum.zero(stack.size).total)
    assert np.isnan(empty.mean).all()


def test_sums_of_different_maps_do_not_add() -> None:
    with pytest.raises(ValueError, match="expected 3 features, got 4"):
        Sum.zero(3) + Sum.zero(4)
