"""What every feedback store keeps, the fake and the real one alike."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from detectors.calibration import Calibration
from monitor.errors import Fenced
from monitor.model.feedback import Certificate, Fitted, Opinion
from monitor.model.record import Partition, Progress, Record, Reject
from tests.stores import FIRST, START, Stores, line, unit

TOPIC = Partition("llm.feedback.v1", 0)
LATER = START + timedelta(hours=1)


def said(number: int, bad: bool | None, **other: object) -> Opinion:
    return replace(Opinion("acme", f"t{number}", LATER, "thumb", "down", None, "ui", bad), **other)


def filled(stores: Stores, count: int = 3) -> Stores:
    store = stores.traces()
    store.positions({FIRST: 0})
    lines = [line(i, START + timedelta(seconds=i), response=f"It may be {i}.") for i in range(count)]
    store.commit(unit(lines))
    return stores


def test_an_opinion_is_kept_once(stores: Stores) -> None:
    store = stores.feedback()
    assert store.add([said(1, True), said(1, True), said(1, True, source="judge")], LATER) == 2
    assert store.add([said(1, False)], LATER) == 0


def test_any_value_is_kept(stores: Stores) -> None:
    values = [None, "it's", 1e300, 10**30, {"a": [1, "\u2028"]}, True]
    opinions = [said(i, None, value=value) for i, value in enumerate(values)]
    assert stores.feedback().add(opinions, LATER) == len(values)


def test_the_last_that_was_said_of_a_stored_trace_is_its_label(stores: Stores) -> None:
    store = filled(stores).feedback()
    store.add(
        [said(0, True), said(0, False, at=LATER + timedelta(1)), said(1, True), said(1, None, at=LATER + timedelta(1)),
         said(9, True), said(2, True, tenant="other")],
        LATER,
    )  # fmt: skip
    found = store.labelled(since=None, until=None)
    assert sorted(found.bad.tolist()) == [False, True]
    assert found.values["hedging"].tolist() == [1.0, 1.0]
    assert "uncertainty.peak" not in found.values


def test_labels_are_of_traces_from_a_span_of_time(stores: Stores) -> None:
    store = filled(stores).feedback()
    store.add([said(i, i == 1) for i in range(3)], LATER)
    found = store.labelled(since=START + timedelta(seconds=1), until=START + timedelta(seconds=2))
    assert found.bad.tolist() == [True]


def test_feedback_within_a_trace_is_kept_with_it(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    store.commit(unit([line(1, feedback=[{"kind": "label", "value": "bad", "source": "ui"}]), line(2)]))
    assert stores.feedback().labelled(since=None, until=None).bad.tolist() == [True]


def test_the_topic_is_read_on_where_the_last_commit_stood(stores: Stores) -> None:
    store = stores.feedback()
    assert store.positions({TOPIC: 5}) == {TOPIC: 5}
    assert store.add([said(1, True)], LATER, progress=[Progress(TOPIC, 5, 7, 7)]) == 1
    assert stores.feedback().positions({TOPIC: 0}) == {TOPIC: 7}


def test_another_reader_stops_the_batch_and_nothing_is_stored(stores: Stores) -> None:
    store = filled(stores).feedback()
    store.positions({TOPIC: 0})
    store.add([], LATER, progress=[Progress(TOPIC, 0, 3, 3)])
    with pytest.raises(Fenced, match=r"llm\.feedback\.v1/0: read from 0"):
        store.add([said(1, True)], LATER, progress=[Progress(TOPIC, 0, 2, 2)])
    assert len(store.labelled(since=None, until=None).bad) == 0


def test_what_is_no_feedback_is_set_aside(stores: Stores) -> None:
    reject = Reject(Record(TOPIC, 4, b"{", {}), "not_json", "breaks off")
    stores.feedback().add([], LATER, rejects=[reject])
    (kept,) = stores.traces().waiting_rejects(9)
    assert (kept.reject.record.value, kept.reject.reason) == (b"{", "not_json")


def test_the_newest_calibration_of_a_score_is_in_force(stores: Stores) -> None:
    store = stores.feedback()
    knots = np.array([[0.0, 0.5, 1.0], [0.1, 0.25, 0.75]])
    for calibration in (Calibration("platt", 200, 0.5, -1.0), Calibration("isotonic", 2000, knots=knots)):
        store.calibrated(Fitted("grounding", calibration, 0.2, 0.05, 0.1), LATER)
    store.calibrated(Fitted("hedging", Calibration("prior", 30, 1.0, 0.25), 0.2, 0.1, 0.2), LATER)
    found = stores.feedback().calibrations()
    assert found.keys() == {"grounding", "hedging"}
    assert (found["grounding"].kind, found["grounding"].labels) == ("isotonic", 2000)
    assert np.array_equal(found["grounding"].knots, knots)
    assert (found["hedging"].intercept, found["hedging"].knots) == (0.25, None)


def test_certificates_are_numbered(stores: Stores) -> None:
    certificate = Certificate("grounding", "missed", 0.1, None, 0.25, 100, 40, 0.5)
    store = stores.feedback()
    assert store.certified(certificate, LATER) + 1 == store.certified(certificate, LATER)
