import numpy as np

from detectors.base import summarise
from detectors.category import fit_category
from detectors.scalar import fit_scalar
from detectors.stack import Stack, summarise_groups
from detectors.vector import fit_vector


def small_stack() -> Stack:
    random = np.random.default_rng(0)
    return Stack(
        {
            "length": fit_scalar(random.normal(size=100)),
            "reason": fit_category(["stop", "length"]),
            "embedding": fit_vector(random.normal(size=(50, 4)), seed=0),
        }
    )


def test_signals_lie_side_by_side_in_the_order_of_the_mapping() -> None:
    stack = small_stack()
    assert stack.names == ("length", "reason", "embedding")
    assert [stack.slice(name) for name in stack.names] == [slice(0, 36), slice(36, 40), slice(40, stack.size)]
    assert stack.size == 40 + stack.maps["embedding"].size


def test_each_slice_holds_the_features_of_its_map() -> None:
    stack = small_stack()
    columns = {"length": np.array([0.1, np.nan]), "reason": ["stop", "x"], "embedding": np.ones((2, 4))}
    features = stack.apply(columns)
    for name in stack.names:
        np.testing.assert_array_equal(features[:, stack.slice(name)], stack.maps[name].apply(columns[name]))


def test_a_signal_without_a_column_is_missing_from_every_trace() -> None:
    stack = small_stack()
    bare = stack.apply({"reason": ["stop", None]})
    full = stack.apply({"length": np.full(2, np.nan), "reason": ["stop", None], "embedding": np.full((2, 4), np.nan)})
    np.testing.assert_array_equal(bare, full)


def test_groups_are_summed_apart_and_an_empty_group_is_zero() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(40, 7)).astype(np.float32)
    groups = random.choice([0, 1, 3], size=40)
    sums = summarise_groups(features, groups, 4)
    for group in range(4):
        alone = summarise(features[groups == group])
        assert sums[group].n == alone.n
        np.testing.assert_allclose(sums[group].total, alone.total, atol=1e-12)
    assert sums[2].n == 0
