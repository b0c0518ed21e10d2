import numpy as np
from scipy.special import expit

from detectors.calibration import Calibration
from detectors.guarantee import Infeasible
from monitor.calibrating import at_most_missed_of, clean_below, described, out_of_fold, report, reports
from monitor.cli.reliability import page
from monitor.model.feedback import Labelled


def labelled(count: int, *, seed: int = 0) -> Labelled:
    """A score of which half the traces have none, and one that is all noise."""
    random = np.random.default_rng(seed)
    values = random.uniform(size=count)
    bad = random.uniform(size=count) < expit(6 * values - 4)
    missing = np.where(np.arange(count) % 2 == 0, values, np.nan)
    return Labelled({"grounding": missing, "noise": random.uniform(size=count)}, bad)


def test_a_report_is_of_the_labels_that_have_the_score() -> None:
    found = report("grounding", labelled(400))
    assert found is not None
    assert (found.fitted.calibration.kind, found.fitted.calibration.labels) == ("platt", 200)
    assert sum(each.count for each in found.after) == 200
    assert found.fitted.error < found.fitted.error_before


def test_an_error_is_told_of_labels_left_out_of_the_fit() -> None:
    """What a label is told to be does not depend on it, nor on any of its fold."""
    found = labelled(500)
    values = found.values["noise"]
    fold = np.arange(500) % 5 == 2
    told, otherwise = out_of_fold(values, found.bad), out_of_fold(values, found.bad ^ fold)
    assert np.array_equal(told[fold], otherwise[fold])
    assert not np.array_equal(told[~fold], otherwise[~fold])


def test_scores_with_too_few_labels_have_no_report() -> None:
    found = reports(labelled(30), ())
    assert [each.fitted.score for each in found] == ["noise"]
    assert reports(labelled(30), ("grounding", "unknown")) == []


def test_certificates_count_what_they_rest_on() -> None:
    found = at_most_missed_of("grounding", labelled(400), 0.1)
    assert not isinstance(found, Infeasible)
    assert (found.promise, found.level, found.labels) == ("missed", 0.1, 200)
    assert 0 < found.bad < 200
    clean = clean_below("grounding", labelled(2000), 0.9, delta=0.1)
    assert not isinstance(clean, Infeasible)
    assert (clean.promise, clean.level, clean.delta) == ("clean", 0.9, 0.1)


def test_a_score_nobody_has_carries_no_promise() -> None:
    assert at_most_missed_of("unknown", labelled(400), 0.1) == Infeasible(
        "missing at most 0.1 needs at least 9 bad answers, got 0"
    )
    assert isinstance(clean_below("unknown", labelled(400), 0.9, delta=0.05), Infeasible)


def test_a_page_shows_each_score_as_it_is_and_calibrated() -> None:
    found = reports(labelled(400), ())
    shown = page(found)
    assert shown.count("<svg") == 2
    assert shown.count("<circle") == sum(len(each.before) + len(each.after) for each in found)
    assert "<b>grounding</b>: 200 labels, platt" in shown
    assert "http" not in shown


def test_a_calibration_is_described() -> None:
    assert described(Calibration("isotonic", 2000, knots=np.zeros((2, 7)))) == "a rising curve of 7 knots"
