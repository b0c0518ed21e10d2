from dataclasses import replace

import pytest

from detectors.effect import Effect
from detectors.intervals import Estimate
from monitor.model.alert import Severity
from monitor.model.diagnosis import Size
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from monitor.severity import severity, worst
from tests.stores import START

EFFECT = Effect("psi", 0.4, 100.0, 130.0, 0.3, 0.0, 0.0)
VERDICT = Verdict(Segment(), "latency", 1, START, 60.0, EFFECT, 24.0, 12.0, drifted=True, onset=START, shares={})


def size(low: float) -> Size:
    return Size(Estimate("mean difference", low + 0.3, low, low + 0.6), None, "", None)


@pytest.mark.parametrize(
    ("low", "log_e", "found"),
    [
        (0.81, 14.31, "critical"),  # e^2.31 is ten times the threshold
        (0.81, 14.29, "warning"),
        (0.79, 99.0, "warning"),
        (0.20, 12.0, "warning"),
        (0.19, 99.0, "info"),
        (-0.5, 99.0, "info"),
    ],
)
def test_a_drift_is_as_severe_as_it_is_surely_large_and_evident(low: float, log_e: float, found: Severity) -> None:
    assert severity([replace(VERDICT, log_e=log_e)], {"latency": size(low)}) == found


def test_size_and_evidence_are_those_of_one_signal() -> None:
    large, evident = replace(VERDICT, log_e=12.5), replace(VERDICT, signal="risk", log_e=99.0)

    assert severity([large, evident], {"latency": size(2.0), "risk": size(0.3)}) == "warning"
    assert severity([large, evident], {"latency": size(0.1), "risk": size(2.0)}) == "critical"


def test_without_a_known_size_it_is_a_warning() -> None:
    assert severity([VERDICT], {}) == "warning"


def test_the_worst_of_some_is_the_highest() -> None:
    assert worst(["info", "critical", "warning"]) == "critical"
    assert worst([]) == "info"
