import numpy as np
import pytest

from detectors.category import CategoryMap, fit_category
from detectors.reference import fit, fit_reference, fit_references, fit_stack, memories
from detectors.scalar import fit_scalar


def test_mean_and_variances_are_those_of_the_tested_features() -> None:
    values = np.random.default_rng(0).normal(size=3_000)
    fitted = fit_scalar(values)
    features = fitted.apply(values)
    reference = fit_reference(features, fitted)
    np.testing.assert_allclose(reference.mean, features.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(reference.variances[:34], features[:, :34].var(axis=0), rtol=0.02, atol=1e-3)
    assert reference.n == 3_000


def test_a_value_that_was_never_missing_may_be_missing_once_in_as_many_traces() -> None:
    values = np.random.default_rng(0).normal(size=999)
    fitted = fit_scalar(values)
    reference = fit_reference(fitted.apply(values), fitted)
    assert reference.variances[-1] == pytest.approx(1 / 1_002, rel=0.01)


def test_memories_reach_from_a_pane_to_the_length_of_the_reference() -> None:
    np.testing.assert_allclose(memories(4_096, 1.0), [16, 64, 256, 1_024, 4_096])
    np.testing.assert_allclose(memories(5_000, 1_000.0), [1_000, 2_000, 4_000, 8_000, 16_000])


def test_a_map_that_learns_from_rows_is_centred_on_others() -> None:
    labels = [f"user-{i}" for i in range(300)]
    _, references = fit({"user": labels}, {"user": "category"}, seed=0)
    assert references["user"].n == 200
    assert references["user"].mean[-2] == 1.0  # every user of the rest is "other", as new users will be


def test_panes_are_never_split() -> None:
    panes = np.repeat(np.arange(48), 10)
    _, centring = fit_stack({"k": ["a"] * 480}, {"k": "category"}, seed=0, panes=panes)
    kept = np.unique(panes[centring["k"]])
    assert len(centring["k"]) == 320
    assert len(kept) == 32
    assert set(kept) == {pane ^ 1 for pane in kept}  # two in a row stay together


def test_a_segment_has_a_reference_of_its_own() -> None:
    random = np.random.default_rng(0)
    columns = {"x": np.append(random.normal(size=200), random.normal(5.0, size=100))}
    stack, centring = fit_stack(columns, {"x": "scalar"}, seed=0)
    segment = {name: rows[rows >= 200] for name, rows in centring.items()}
    reference = fit_references(stack, stack.apply(columns), segment)["x"]
    level = stack.maps["x"].apply(np.array([5.0]))[0, -1]
    assert reference.n == 100
    assert reference.mean[-1] == pytest.approx(level, abs=0.05)


def test_one_row_is_no_reference() -> None:
    fitted = CategoryMap(("a",))
    with pytest.raises(ValueError, match="expected at least 2 rows of reference, got 1"):
        fit_reference(fitted.apply(["a"]), fitted)


def test_the_fit_depends_on_its_seed_alone() -> None:
    labels = [str(i % 7) for i in range(60)]
    first, again = (fit({"k": labels}, {"k": "category"}, seed=3) for _ in range(2))
    assert first[0].maps["k"] == again[0].maps["k"] == fit_category(labels)
    np.testing.assert_array_equal(first[1]["k"].mean, again[1]["k"].mean)
