from dataclasses import replace

import pytest

from detectors.effect import Effect
from monitor.alerting import explained, labels_of, merged, reviewed, sentence, summary
from monitor.model.alert import Alert, Change
from monitor.model.verdict import Verdict
from tests.drifts import ACME, AT, changed, diagnosis, fired, verdict
from tests.stores import PANE, START


def test_nothing_drifting_changes_nothing() -> None:
    assert changed([verdict(drifted=False)]) is None
    assert changed([]) is None
    assert changed([], fired("latency")) is None


def test_a_drifting_signal_fires_an_alert_of_its_segment() -> None:
    quiet = verdict("latency", drifted=False)
    change = changed([verdict(onset=START + PANE), quiet, verdict("status", onset=START)])

    assert change is not None
    assert (change.happening, change.at, change.notify) == ("alert.firing", AT, True)
    alert = change.alert
    assert (alert.id, alert.labels) == ("alert_1", {"kind": "drift", "segment": "all"})
    assert (alert.status, alert.onset, alert.fired_at, alert.resolved_at) == ("firing", START, AT, None)
    assert list(alert.signals) == ["response.tokens", "status"]
    assert alert.evidence["response.tokens"] == {
        "effect_kind": "psi",
        "effect": 0.4321,
        "reference": 99.5,
        "now": 140.25,
        "unit": "tokens",
        "log_e": 24.0,
        "log_threshold": 12.0,
        "onset": (START + PANE).isoformat(),
        "pane": (START + 5 * PANE).isoformat(),
        "shares": {},
    }
    assert alert.evidence.keys() == {"response.tokens", "status"}


def test_an_alert_of_a_drift_without_a_known_onset_dates_from_its_pane() -> None:
    change = changed([verdict(onset=None)])

    assert change is not None
    assert change.alert.onset == START + 5 * PANE


def test_a_drift_that_goes_on_is_told_once() -> None:
    assert changed([verdict(), verdict("latency", drifted=False)], fired("response.tokens")) is None
    assert changed([verdict(), verdict("latency", drifted=False)], fired("response.tokens", "latency")) is None


def test_a_signal_that_joins_updates_the_alert_without_a_message() -> None:
    alert = fired("response.tokens")
    change = changed([verdict(), verdict("latency", onset=START - PANE)], alert, at=AT + PANE)

    assert change is not None
    assert (change.happening, change.notify) == ("alert.updated", False)
    assert list(change.alert.signals) == ["response.tokens", "latency"]
    assert (change.alert.id, change.alert.fired_at, change.alert.onset) == (alert.id, AT, START - PANE)
    assert change.alert.evidence.keys() == {"response.tokens", "latency"}


def test_when_nothing_drifts_any_more_the_alert_is_resolved() -> None:
    alert = fired("response.tokens", "latency")
    over = changed([verdict(drifted=False), verdict("latency", drifted=False)], alert, at=AT + PANE)

    ended = replace(alert, status="resolved", resolved_at=AT + PANE, resolution="cleared")
    assert over == Change("alert.resolved", ended, AT + PANE)
    assert over.notify
    assert not over.alert.open


def test_an_acknowledged_alert_resolves_like_a_firing_one() -> None:
    seen = replace(fired("latency"), status="acknowledged")
    joined = changed([verdict("latency"), verdict()], seen)
    over = changed([verdict("latency", drifted=False)], seen)

    assert (joined and joined.alert.status, over and over.alert.status) == ("acknowledged", "resolved")


def test_a_part_of_the_traffic_is_inhibited_while_all_of_it_fires() -> None:
    change = changed([verdict(segment=ACME)], parent=fired("response.tokens"))
    alone = changed([verdict(segment=ACME)])

    assert change is not None
    assert alone is not None
    assert (change.alert.inhibited_by, change.notify) == ("alert_1", False)
    assert (alone.alert.inhibited_by, alone.notify) == (None, True)
    over = changed([verdict(segment=ACME, drifted=False)], change.alert)
    assert over is not None
    assert (over.happening, over.notify) == ("alert.resolved", False)  # who heard of no start hears of no end


def test_all_traffic_is_never_inhibited() -> None:
    change = changed([verdict()], parent=fired("latency"))

    assert change is not None
    assert change.notify


def test_what_joins_right_after_the_firing_is_told_with_it() -> None:
    alert = fired("response.tokens")
    more = replace(alert, signals=["response.tokens", "latency"])
    over = replace(more, status="resolved", resolved_at=AT)
    other = replace(alert, id="alert_2")
    first, second = Change("alert.firing", alert, AT), Change("alert.updated", more, AT)
    third, fourth = Change("alert.resolved", over, AT), Change("alert.firing", other, AT)

    assert merged([first, second, third, fourth]) == [Change("alert.firing", more, AT), third, fourth]
    assert merged([second, third]) == [second, third]
    assert merged([first, Change("alert.updated", other, AT)]) == [first, Change("alert.updated", other, AT)]


def test_a_drift_is_explained_again_when_it_has_lasted_twice_as_long() -> None:
    alert = fired("response.tokens")  # the first six panes since the onset
    told = [reviewed([verdict(pane=pane)], alert, pane=PANE, at=AT) for pane in range(6, 14)]

    assert [change is None for change in told] == [True] * 5 + [False] * 3
    change = told[5]
    assert change is not None
    assert (change.happening, change.notify, change.alert.signals) == ("alert.updated", False, alert.signals)
    assert change.alert.evidence["response.tokens"]["pane"] == (START + 11 * PANE).isoformat()
    assert reviewed([verdict(pane=13)], change.alert, pane=PANE, at=AT) is None


def test_what_is_over_or_inhibited_is_not_explained_again() -> None:
    alert = fired("response.tokens")

    assert reviewed([verdict(pane=20, drifted=False)], alert, pane=PANE, at=AT) is None
    assert reviewed([verdict(pane=20)], replace(alert, status="resolved"), pane=PANE, at=AT) is None
    assert reviewed([verdict(pane=20)], replace(alert, inhibited_by="alert_9"), pane=PANE, at=AT) is None
    assert reviewed([verdict(pane=20)], None, pane=PANE, at=AT) is None


def test_who_carries_a_change_stays_in_the_evidence() -> None:
    change = changed([replace(verdict(), shares={"tenant=acme": 1.0})])
    assert change is not None
    again = reviewed([verdict(pane=20)], change.alert, pane=PANE, at=AT)

    assert again is not None
    assert again.alert.evidence["response.tokens"]["shares"] == {"tenant=acme": 1.0}


@pytest.mark.parametrize(
    ("signals", "moved"),
    [
        (["response.tokens"], "response.tokens rose from 99.5 to 140 tokens"),
        (["finish_reason"], "finish_reason of stop fell from 0.95 to 0.7"),
        (["relation", "response.tokens", "status", "latency"],
         "relation moved and response.tokens rose from 99.5 to 140 tokens (and 2 more signals)"),
    ],
)  # fmt: skip
def test_with_a_cause_the_summary_is_a_sentence_to_be_read_aloud(signals: list[str], moved: str) -> None:
    found = [verdict(signal, log_e=30.0 - place) for place, signal in enumerate(signals)]

    told = diagnosis()
    assert sentence(found, told.evidence(), told.sizes) == (
        f"all traffic: {moved} on build int4-7f3a since 2090-05-01 12:00 UTC:"
        " 71 % behaviour, 29 % mix; the prompts did not move; more refusals about refunds"
    )


def test_an_explained_alert_has_its_severity_and_keeps_the_highest() -> None:
    change = changed([verdict(log_e=99.0)])
    assert change is not None
    assert change.alert.severity == "warning"
    large, small = (([verdict(log_e=99.0)], diagnosis(shift=shift)) for shift in (1.0, 0.1))
    first = explained(change, *large)
    later = explained(replace(first, happening="alert.updated"), *small)

    assert (first.alert.severity, later.alert.severity) == ("critical", "critical")
    assert explained(change, *small).alert.severity == "info"
    assert first.alert.evidence["explanation"]["sizes"]["response.tokens"] == {
        "shift": [1.0, 0.9, 1.1], "change": [40.0, 30.0, 50.0], "of": "", "before": 99.5,
    }  # fmt: skip


def test_a_sure_cause_stays_when_a_later_look_tells_of_none() -> None:
    drifting = [verdict()]
    first = changed(drifting)
    assert first is not None
    clear = explained(first, drifting, diagnosis(("build", 0.9)))
    vague = replace(diagnosis(("unexplained", 0.0)), source="from a cause that no trace surely tells of")
    later = explained(Change("alert.updated", clear.alert, AT), drifting, vague)
    other = replace(diagnosis(("adapter", 0.9)), source="on adapter a")

    assert "on build int4-7f3a" in later.alert.summary
    assert later.alert.evidence["explanation"] == clear.alert.evidence["explanation"]
    assert "on adapter a" in explained(Change("alert.updated", later.alert, AT), drifting, other).alert.summary
    assert vague.source in explained(first, drifting, vague).alert.summary


def test_labels_and_so_the_fingerprint_hold_nothing_but_the_segment() -> None:
    assert labels_of(ACME) == {"kind": "drift", "segment": "tenant=acme"}
    assert fired("latency").fingerprint == fired("status").fingerprint == "f16b8527cdb34ac3"
    assert fired("latency", segment=ACME).fingerprint == "605e043881748c2a"


def test_the_summary_is_a_sentence() -> None:
    assert summary([verdict()]) == "all traffic: response.tokens 99.5 → 140 (PSI 0.432) since 2090-05-01 12:00 UTC"


def test_the_summary_names_the_strongest_first_and_counts_the_rest() -> None:
    found = [verdict(f"s{i}", log_e=20.0 + i, segment=ACME) for i in range(6)]
    moved = Effect("mmd2", 0.0123, None, None, None, 0.0, 0.0)
    found[5] = replace(found[5], signal="relation", effect=moved)

    text = summary(found)
    assert text.startswith("tenant=acme: relation moved (MMD² 0.0123), s4 99.5 → 140 (PSI 0.432), s3 ")
    assert ", s2 99.5 → 140 (PSI 0.432) and 2 more signals since 2090-05-01 12:00 UTC" in text
    assert text.count("PSI") == 3


@pytest.mark.parametrize(
    ("shares", "end"),
    [
        ({}, "UTC"),
        ({"tenant=acme": 0.4}, "UTC"),
        ({"tenant=acme": 0.7, "tenant=other": 0.3}, "; 70% of it on tenant=acme"),
        ({"build=bot:1": 0.6, "tenant=acme": 0.9}, "; 60% of it on build=bot:1"),  # a build says why, a tenant whom
        ({"build=bot:1": 1.3, "build=bot:2": -0.3}, "; 100% of it on build=bot:1"),
    ],
)
def test_the_summary_names_who_carries_the_change(shares: dict[str, float], end: str) -> None:
    assert summary([replace(verdict(), shares=shares)]).endswith(end)


def test_the_carrier_is_that_of_the_strongest_signal_with_shares() -> None:
    weak = replace(verdict("latency", log_e=13.0), shares={"tenant=weak": 1.0})
    strong = replace(verdict(log_e=30.0), shares={"tenant=strong": 1.0})

    assert summary([weak, strong]).endswith("; 100% of it on tenant=strong")
    assert summary([weak, verdict(log_e=30.0)]).endswith("; 100% of it on tenant=weak")


def test_an_alert_dates_from_when_half_of_its_signals_had_begun() -> None:
    onsets = [START, START + 3 * PANE, START + 3 * PANE, START + 4 * PANE]
    change = changed([verdict(f"s{i}", onset=onset) for i, onset in enumerate(onsets)])

    assert change is not None
    assert change.alert.onset == START + 3 * PANE
    assert "since 2090-05-01 12:03 UTC" in change.alert.summary


def test_an_alert_of_the_lagged_reference_alone_says_what_it_was_compared_with() -> None:
    lagged = replace(verdict(), reference="lagged")
    alone, both = fired_by(lagged), fired_by(lagged, verdict("latency"))

    assert "UTC against the lagged reference" in alone.summary
    assert alone.evidence["response.tokens"]["against"] == "lagged"
    assert "against the lagged" not in both.summary
    assert "against" not in both.evidence["latency"]


def fired_by(*drifting: Verdict) -> Alert:
    change = changed(list(drifting), None)
    assert change is not None
    return change.alert
