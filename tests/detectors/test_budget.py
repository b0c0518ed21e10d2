import pytest

from detectors.budget import threshold, weights


def test_half_the_weight_is_that_of_all_traffic() -> None:
    shares = weights({"all": 5, "a": 2, "b": 8}, all_traffic="all")
    assert shares == {"all": 0.1, "a": 0.125, "b": 0.03125}
    assert 5 * shares["all"] + 2 * shares["a"] + 8 * shares["b"] == 1.0


def test_all_traffic_alone_has_all_the_weight() -> None:
    assert weights({"all": 4}, all_traffic="all") == {"all": 0.25}


def test_a_segment_without_signals_takes_no_weight() -> None:
    assert weights({"all": 4, "a": 0}, all_traffic="all") == {"all": 0.25}
    assert weights({"all": 0, "a": 2, "b": 4}, all_traffic="all") == {"a": 0.25, "b": 0.125}


def test_the_thresholds_of_all_monitors_add_to_one_budget() -> None:
    # e-CUSUMs alarm at most once in A panes: the rates of all monitors add to the false alarms allowed.
    shares = weights({"all": 5, "a": 5, "b": 5}, all_traffic="all")
    rates = [5 * 43_200 / threshold(false_alarms=2, period_panes=43_200, weight=share) for share in shares.values()]
    assert sum(rates) == pytest.approx(2.0)


@pytest.mark.parametrize(("alarms", "panes", "weight"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1.5)])
def test_a_budget_without_room_is_refused(alarms: float, panes: float, weight: float) -> None:
    with pytest.raises(ValueError, match="expected positive"):
        threshold(false_alarms=alarms, period_panes=panes, weight=weight)
