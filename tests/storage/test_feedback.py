"""What SQL makes of calibrations and certificates."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from detectors.calibration import Calibration
from monitor.model.alert import Alert, Change
from monitor.model.feedback import Certificate, Fitted, Opinion
from monitor.storage.alerts import write_change
from monitor.storage.feedback import forget
from tests.stores import FIRST, START, InPostgres, line, unit

KNOTS = np.array([[0.0, 0.2, 0.6, 0.6000001, 1.0], [0.05, 0.1, 0.1, 0.5, 0.9]])
FITS = [
    Calibration("prior", 30, 1.0, -1.5),
    Calibration("platt", 200, 0.4, 0.75),
    Calibration("isotonic", 2000, knots=KNOTS),
]


@pytest.fixture
def real(database_url: str) -> Iterator[InPostgres]:
    real = InPostgres(database_url)
    real.traces().positions({FIRST: 0})
    yield real
    real.close()


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.kind)
def test_sql_calibrates_as_python_does(real: InPostgres, fit: Calibration) -> None:
    real.feedback().calibrated(Fitted("hedging", fit, 0.2, 0.1, 0.2), START)
    values = np.array([0.0, 1e-9, 0.01, 0.1, 0.2, 0.21, 0.5, 0.6, 0.60000005, 0.8, 0.99, 1.0])
    found = [
        real.rows("SELECT calibrated(%s, kind, slope, intercept, knot_scores, knot_shares) FROM v_calibrations", value)
        for value in values.tolist()
    ]
    assert [row[0] for (row,) in found] == pytest.approx(fit.apply(values).tolist(), abs=1e-12)


def test_scores_are_seen_with_their_probability_once_they_are_calibrated(real: InPostgres) -> None:
    lines = [line(1, response="It may be so, perhaps."), line(2, response="It is so.")]
    real.traces().commit(unit(lines))
    before = real.rows("SELECT calibrated FROM v_scores")
    real.feedback().calibrated(Fitted("hedging", FITS[1], 0.2, 0.1, 0.2), START)
    after = real.rows("SELECT id, value, status, calibrated FROM v_scores WHERE calibrated IS NOT NULL ORDER BY id")

    assert {row.calibrated for row in before} == {None}
    assert [(row.id, row.value) for row in after] == [("t1", 1.0), ("t2", 0.0)]
    assert [row.calibrated for row in after] == pytest.approx(FITS[1].apply(np.array([1.0, 0.0])).tolist())


def test_a_certificate_is_void_while_an_open_alert_says_that_its_score_drifts(real: InPostgres) -> None:
    for score in ("grounding", "hedging"):
        real.feedback().certified(Certificate(score, "missed", 0.1, None, 0.25, 100, 40, 0.5), START)
    labels = {"kind": "drift", "segment": "all"}
    fired = Alert("alert_1", labels, "firing", START, START, "it moved", ("latency", "grounding"), {})
    resolved = Alert("alert_1", labels, "resolved", START, START, "it moved", ("latency", "grounding"), {}, None, START)
    seen = []
    for happening, alert in (("alert.firing", fired), ("alert.resolved", resolved)):
        with real.engine.begin() as connection:
            write_change(connection, Change(happening, alert, START), ())
        rows = real.rows("SELECT score, void, alert FROM v_certificates ORDER BY score")
        seen.append([(row.score, row.void, row.alert) for row in rows])

    assert seen[0] == [("grounding", True, "alert_1"), ("hedging", False, None)]
    assert seen[1] == [("grounding", False, None), ("hedging", False, None)]


def test_feedback_as_old_as_traces_that_are_gone_is_forgotten(real: InPostgres) -> None:
    said = [Opinion("", name, START + timedelta(days=i), "thumb", "up", None, "", False) for i, name in enumerate("ab")]
    real.feedback().add(said, START)
    forget(real.engine, START + timedelta(hours=1))
    assert [row.id for row in real.rows("SELECT id FROM v_feedback")] == ["b"]
