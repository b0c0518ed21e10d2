import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from detectors.calibration import (
    Bin,
    Calibration,
    brier,
    calibrate,
    calibration_error,
    isotonic,
    platt,
    prior,
    reliability,
)

LABELLED = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)
FITS = [prior, platt, isotonic]


def arrays(rows: list[tuple[float, bool]]):
    return np.array([value for value, _ in rows]), np.array([bad for _, bad in rows])


def drawn(random: np.random.Generator, count: int, slope: float, intercept: float):
    """Scores, and labels that are bad with the probability of exactly this curve."""
    values = random.uniform(0.02, 0.98, count)
    return values, random.uniform(size=count) < expit(slope * logit(values) + intercept)


@pytest.mark.parametrize("fit", FITS)
@given(rows=LABELLED)
def test_probabilities_lie_between_0_and_1_and_rise_with_the_score(fit, rows: list[tuple[float, bool]]) -> None:
    values, bad = arrays(rows)
    found = fit(values, bad).apply(np.linspace(0, 1, 201))
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert (np.diff(found) >= -1e-12).all()


@given(LABELLED)
def test_the_prior_expects_as_many_bad_answers_as_there_were(rows: list[tuple[float, bool]]) -> None:
    values, bad = arrays(rows)
    assert prior(values, bad).apply(values).mean() == pytest.approx((bad.sum() + 1) / (len(bad) + 2), abs=1e-9)


def test_platt_finds_the_curve_the_labels_come_from() -> None:
    values, bad = drawn(np.random.default_rng(0), 20_000, 0.5, -1.0)
    found = platt(values, bad)
    assert (found.slope, found.intercept) == (pytest.approx(0.5, abs=0.04), pytest.approx(-1.0, abs=0.05))


@given(LABELLED)
def test_platt_is_the_best_line_of_its_kind(rows: list[tuple[float, bool]]) -> None:
    """Oracle: the gradient of the smoothed likelihood is 0."""
    values, bad = arrays(rows)
    found = platt(values, bad)
    if found.kind == "platt":
        odds = logit(np.clip(values, 0.01, 0.99))
        count = bad.sum()
        targets = np.where(bad, (count + 1) / (count + 2), 1 / (len(bad) - count + 2))
        rest = found.apply(values) - targets
        assert rest.sum() == pytest.approx(0, abs=1e-5)
        assert (rest * odds).sum() == pytest.approx(0, abs=1e-4)


def test_a_score_that_points_the_wrong_way_keeps_its_order() -> None:
    values = np.linspace(0.1, 0.9, 200)
    assert platt(values, values < 0.5).kind == "prior"


def test_isotonic_follows_any_rising_curve() -> None:
    random = np.random.default_rng(1)
    values = random.uniform(size=20_000)
    truth = np.where(values < 0.5, 0.1, 0.1 + 1.4 * (values - 0.5))
    found = isotonic(values, random.uniform(size=len(values)) < truth).apply(values)
    assert np.abs(found - truth).mean() < 0.02


@pytest.mark.parametrize(
    ("count", "kind"), [(0, "none"), (1, "prior"), (99, "prior"), (100, "platt"), (999, "platt"), (1000, "isotonic")]
)
def test_the_number_of_labels_decides_what_is_fitted(count: int, kind: str) -> None:
    found = calibrate(*drawn(np.random.default_rng(2), count, 1.0, 0.0))
    assert (found.kind, found.labels) == (kind, count)


@pytest.mark.parametrize("bad", [True, False])
def test_labels_of_one_kind_tell_only_the_prior(bad: bool) -> None:
    assert calibrate(np.linspace(0, 1, 500), np.full(500, bad)).kind == "prior"


def test_missing_scores_are_left_out_and_stay_missing() -> None:
    values = np.array([np.nan, 0.25, 0.75])
    found = calibrate(values, np.array([True, False, True]))
    assert found.labels == 2
    assert np.isnan(found.apply(values)).tolist() == [True, False, False]


def test_without_labels_a_score_is_kept_as_it_is() -> None:
    assert Calibration("none", 0).apply(np.array([0.25])).tolist() == [0.25]


def test_bins_hold_equal_mass_by_rising_probability() -> None:
    bins = reliability(np.array([0.9, 0.1, 0.3, 0.7]), np.array([True, False, True, True]), bins=2)
    assert bins == [Bin(pytest.approx(0.2), 0.5, 2), Bin(pytest.approx(0.8), 1.0, 2)]
    assert calibration_error(bins) == pytest.approx(0.25)


def test_briers_score_by_hand() -> None:
    assert brier(np.array([0.9, 0.2]), np.array([True, False])) == pytest.approx((0.01 + 0.04) / 2)


@pytest.mark.real_data
def test_two_hundred_labels_calibrate_groundedness(shared_data) -> None:
    """RAGTruth QA: the expected calibration error on the rest, mean over draws of labels."""
    from benchmarks.scores.ragtruth import read_ragtruth
    from detectors.grounding import lexical

    folder = shared_data / "ragtruth_qa"
    found = read_ragtruth(folder / "response_qa_train.jsonl.gz", folder / "source_qa_train.jsonl.gz")
    scores = lexical(found.answers[:1500], found.passages[:1500], questions=found.questions[:1500])
    known = [i for i, score in enumerate(scores) if score.value is not None]
    values = np.array([scores[i].value for i in known])
    bad = found.hallucinated[known]
    random = np.random.default_rng(0)
    errors = []
    for _ in range(20):
        order = random.permutation(len(values))
        labelled, rest = order[:200], order[200:]
        fitted = calibrate(values[labelled], bad[labelled])
        errors.append(calibration_error(reliability(fitted.apply(values[rest]), bad[rest])))
    uncalibrated = calibration_error(reliability(values, bad))
    assert np.mean(errors) < 0.065 < uncalibrated
