"""From golden prompts to an alert, in a real Postgres."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from monitor.canaries.running import Pace, backoff_s, pin, run
from monitor.errors import Permanent, Transient
from monitor.events import AlertChanged, Away, CanaryAnswered
from monitor.model.alert import Alert, Change
from monitor.model.canary import Answer, Canary, Turn
from monitor.storage.alerts import write_change
from monitor.storage.canaries import forget
from monitor.storage.reader import PostgresReader
from monitor.web.app import api
from monitor.web.metrics import database_metrics
from tests.canaries.support import START, Scripted, Site, answer, golden
from tests.stores import InPostgres

PROMPTS = 6
ALERT = "SELECT * FROM v_alerts"


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    real = InPostgres(database_url)
    found = Site(real)
    found.store.add([golden(number) for number in range(PROMPTS)], START)
    yield found
    real.close()


def pace(site: Site, every_s: float = 60.0) -> tuple[Pace, list[float]]:
    waited: list[float] = []
    return Pace(every_s, lambda: len(waited) > 100, waited.append, lambda: 0.0), waited


def test_prompts_are_sent_in_turn_whoever_sends_them(site: Site) -> None:
    site.send(4)
    site.send(4)
    assert site.endpoint.asked == [f"golden-{number:02}" for number in (0, 1, 2, 3, 4, 5, 0, 1)]


def test_the_first_answers_are_the_reference_and_the_same_ones_are_no_news(site: Site) -> None:
    site.send(PROMPTS * 2)
    assert site.row("SELECT DISTINCT target, state, repetitions FROM v_canaries") == {
        "target": "bot", "state": "learning", "repetitions": 2,
    }  # fmt: skip
    site.send(PROMPTS * 4)
    row = site.row("SELECT * FROM v_canaries WHERE canary = 'golden-00'")
    shown = {name: row[name] for name in ("state", "repetitions", "evidence", "shift", "answer_changed", "status")}
    assert shown == {
        "state": "watched", "repetitions": 3, "evidence": 0.0, "shift": 0.0, "answer_changed": False, "status": "ok",
    }  # fmt: skip
    assert row["pinned_first_logprob"] == -0.1
    assert (row["pinned_exact_match"], row["token_f1"]) == (True, 1.0)
    assert not site.real.rows(ALERT)


def test_a_silent_change_of_numbers_pages_once_and_resolves_when_it_is_gone(site: Site) -> None:
    site.send(PROMPTS * 4)
    site.endpoint.says = lambda _canary: answer(off=0.03)
    site.send(12)
    alert = site.row(ALERT)
    assert (alert["kind"], alert["segment"], alert["status"], alert["severity"]) == (
        "canary", "canary=bot", "firing", "warning",
    )  # fmt: skip
    assert alert["summary"] == (
        "canaries of bot: first-token log-probabilities moved by 0.03 nats on 9 of 9 canaries, answers the same since"
        " 2090-05-01 12:25 UTC; a silent change: the endpoint still calls its build bot:1"
    )
    assert alert["signals"] == ["canary.logprobs"]
    site.endpoint.says = lambda _canary: answer()
    site.send(2 * PROMPTS + 2)
    assert [(told, to) for told, _, to in site.real.posted()] == [
        ("alert.firing", "pager"),
        ("alert.resolved", "pager"),
    ]
    assert site.row(ALERT)["resolution"] == "cleared"
    assert site.row("SELECT DISTINCT state FROM v_canaries") == {"state": "watched"}
    told = [event.happening for event in site.events if isinstance(event, AlertChanged)]
    assert told == ["alert.firing", "alert.resolved"]


def test_the_api_and_the_metrics_show_how_targets_stand(site: Site) -> None:
    site.send(PROMPTS * 4)
    site.endpoint.says = lambda _canary: answer(off=0.03)
    site.send(12)
    site.endpoint.says = lambda _canary: Answer("timeout", "no answer within 30 s")
    site.send(1)
    reader = PostgresReader(site.real.engine)
    client = TestClient(api(reader, ready=dict, ingest=None, metrics=bytes, token=None))
    listed = client.get("/api/v1/canaries", params={"target": "bot", "state": "changed"}).json()["items"]
    figures = {
        (metric.name, *labels): value
        for metric in database_metrics(reader, site.at + timedelta(seconds=5))
        for labels, value in metric.samples
        if "canar" in metric.name
    }
    assert [(row["canary"], row["status"], row["shift"]) for row in listed[:2]] == [
        ("golden-00", "timeout", pytest.approx(0.03)), ("golden-01", "ok", pytest.approx(0.03)),
    ]  # fmt: skip
    assert figures.pop(("driftwarden_canary_evidence", "bot")) >= 1
    assert figures == {
        ("driftwarden_canary_changed", "bot"): 1,
        ("driftwarden_canary_quiet_seconds", "bot"): 65,
    }


@pytest.mark.parametrize(
    ("cause", "minutes", "told"),
    [
        (("build", ["bot:2"]), 0, True),
        (("prompt_template", ["bot:2"]), 0, True),
        (("build", ["bot:3"]), 40, False),
        (("unexplained", ["bot:1", "bot:2"]), 40, True),  # it may well come with that build
        (("unexplained", ["bot:1"]), 40, False),
        (("unexplained", ["bot:1", "bot:2"]), 0, False),  # of another day
        (None, 40, True),
        (None, 0, False),
    ],
)
def test_whoever_was_told_of_the_build_by_a_drift_alert_is_not_told_again(
    site: Site, cause: tuple[str, list[str]] | None, minutes: int, *, told: bool
) -> None:
    evidence = (
        {} if cause is None else {"explanation": {"causes": [{"kind": cause[0], "name": "", "builds": cause[1]}]}}
    )
    labels = {"kind": "drift", "segment": "all"}
    at = START + timedelta(minutes=minutes)
    drift = Alert("alert_drift", labels, "firing", START, at, "it moved", ("response.tokens",), evidence)
    site.send(PROMPTS * 4)
    with site.real.engine.begin() as connection:
        write_change(connection, Change("alert.firing", drift, START), [])
    site.endpoint.says = lambda _canary: answer(off=0.03, build="bot:2")
    site.send(12)
    alert = site.row(f"{ALERT} WHERE kind = 'canary'")
    inhibited_by = "alert_drift" if told else None
    assert (alert["status"], alert["inhibited_by"], alert["paged"]) == ("firing", inhibited_by, not told)
    assert len(site.real.posted()) == (0 if told else 1)


def test_worse_answers_are_told_apart_from_other_numbers(site: Site) -> None:
    site.send(PROMPTS * 4)
    site.endpoint.says = lambda canary: answer("In gold." if canary.name > "golden-01" else "Five days.", build="bot:2")
    site.send(30)
    alert = site.row(ALERT)
    assert alert["severity"] == "critical"
    assert "exact match fell from" in str(alert["summary"])
    assert str(alert["summary"]).endswith("build bot:1 → bot:2")
    assert alert["signals"] == ["canary.answers", "canary.quality"]
    causes = alert["causes"]
    assert isinstance(causes, list)
    assert (causes[0]["kind"], causes[0]["name"]) == ("build", "bot:2")
    assert 0 < causes[0]["p_value"] <= 0.01


def test_what_is_learned_later_is_added_to_the_alert_and_pages_nobody(site: Site) -> None:
    site.send(PROMPTS * 4)
    site.endpoint.says = lambda _canary: answer(off=0.03)
    site.send(12)
    site.endpoint.says = lambda _canary: answer("In gold.", off=0.03)
    site.send(24)
    alert = site.row(ALERT)
    assert alert["severity"] == "critical"
    assert alert["signals"] == ["canary.logprobs", "canary.answers", "canary.quality"]
    assert len(site.real.posted()) == 1


def test_an_endpoint_that_fails_is_no_change_and_is_seen(site: Site) -> None:
    site.send(PROMPTS * 4)
    for failing in (Answer("away", "ConnectError"), Answer("busy", "HTTP 429", after_s=90.0)):
        site.endpoint.says = lambda _canary, failing=failing: failing
        paced, waited = pace(site)
        assert run(site.canaries(), paced, count=3) == {failing.status: 3}
        assert waited == [90.0 if failing.after_s else 60.0] * 2
    assert not site.real.rows(ALERT)
    assert {row.status for row in site.real.rows("SELECT status FROM v_canaries")} == {"away", "busy"}
    assert site.row("SELECT DISTINCT state, evidence FROM v_canaries") == {"state": "watched", "evidence": 0.0}
    assert [e.status for e in site.events if isinstance(e, CanaryAnswered) and e.status != "ok"] == [
        *["away"] * 3, *["busy"] * 3,
    ]  # fmt: skip
    assert [backoff_s(failures) for failures in (0, 1, 3, 99)] == [0.0, 1.0, 4.0, 60.0]


def nobody(_endpoint: Scripted) -> object:
    raise Transient("http://127.0.0.1/v1/models: ConnectError")


def test_a_model_that_cannot_be_told_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "find", nobody)
    paced, waited = pace(site, 0.0)
    assert run(site.canaries(), paced) == {}
    assert waited[:4] == [1.0, 2.0, 4.0, 8.0]
    assert isinstance(site.events[0], Away)
    with pytest.raises(Transient, match="ConnectError"):
        pin(site.canaries(), replace(paced, stopped=lambda: False))


def test_a_named_endpoint_that_is_not_there_yet_is_seen_as_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "find", nobody)
    site.canaries(model="bot").turn()
    row = site.row("SELECT target, status, reason FROM v_canary_results")
    assert row == {"target": "bot", "status": "away", "reason": "http://127.0.0.1/v1/models: ConnectError"}


def test_an_endpoint_that_comes_back_under_another_name_is_the_same_target(site: Site) -> None:
    canaries = site.canaries()
    for _ in range(PROMPTS * 4):
        canaries.turn()
    site.endpoint.says = lambda _canary: Answer("refused", "HTTP 404")
    canaries.turn()
    site.endpoint.model, site.endpoint.says = "bot-2", lambda _canary: answer(off=0.03)
    for _ in range(12):
        canaries.turn()
    assert site.row(ALERT)["segment"] == "canary=bot"


def test_a_new_reference_accepts_the_change(site: Site) -> None:
    site.send(PROMPTS * 4)
    site.endpoint.says = lambda _canary: answer(off=0.03, build="bot:2")
    site.send(12)
    paced, waited = pace(site)
    pin(site.canaries(), paced)
    assert waited == [0.0] * (3 * PROMPTS - 1)
    assert site.row(ALERT)["resolution"] == "accepted"
    site.send(50)
    assert site.row("SELECT DISTINCT state, repetitions, pinned_build, evidence FROM v_canaries") == {
        "state": "watched", "repetitions": 3, "pinned_build": "bot:2", "evidence": 0.0,
    }  # fmt: skip
    assert len(site.real.rows(ALERT)) == 1


def test_a_reference_is_of_one_build_and_begins_anew_with_another(site: Site) -> None:
    site.send(PROMPTS * 2)
    site.endpoint.says = lambda _canary: answer(off=0.03, build="bot:2")
    site.send(PROMPTS * 4)
    rows = site.real.rows("SELECT DISTINCT state, repetitions, pinned_build, evidence FROM v_canaries")
    assert [tuple(row) for row in rows] == [("watched", 3, "bot:2", 0.0)]
    site.endpoint.says = lambda _canary: answer(off=0.03, build="bot:3")  # another name for what says the same
    site.send(PROMPTS * 2)
    assert not site.real.rows(ALERT)
    assert site.row("SELECT DISTINCT pinned_build, build FROM v_canaries") == {
        "pinned_build": "bot:2", "build": "bot:3",
    }  # fmt: skip


def test_a_build_that_is_swapped_right_after_the_pin_is_found(site: Site) -> None:
    paced, _ = pace(site)
    pin(site.canaries(), paced)
    site.store.add([golden(99)], START)
    site.endpoint.says = lambda _canary: answer(off=0.03, build="bot:2")
    site.send(24)
    assert str(site.row(ALERT)["summary"]).endswith("build bot:1 → bot:2")


def test_a_prompt_that_is_changed_or_added_has_a_reference_of_its_own(site: Site) -> None:
    site.send(PROMPTS * 4)
    other = Canary(name="golden-00", messages=(Turn("user", "And now?"),))
    assert site.store.add([other, golden(1), golden(99)], START) == (1, 1)
    site.endpoint.says = lambda canary: (
        answer("No idea.", off=1.0) if canary.name in ("golden-00", "golden-99") else answer()
    )
    site.send((PROMPTS + 1) * 5)
    assert not site.real.rows(ALERT)
    rows = {row.canary: row for row in site.real.rows("SELECT * FROM v_canaries")}
    assert (rows["golden-00"].state, rows["golden-00"].pinned_answer) == ("watched", "No idea.")
    assert rows["golden-99"].prompt == "What about 99?"
    assert site.store.remove(["golden-99", "nobody"]) == 1
    assert len(site.store.canaries()) == PROMPTS
    assert site.store.remove(None) == PROMPTS
    assert site.canaries().turn() is None
    paced, waited = pace(site)
    assert run(site.canaries(), paced) == {}
    assert waited[:2] == [60.0, 60.0]
    with pytest.raises(Permanent, match="there are no golden prompts"):
        pin(site.canaries(), paced)


def test_old_answers_are_forgotten_and_the_reference_is_not(site: Site) -> None:
    site.send(PROMPTS * 4)
    forget(site.real.engine, site.at)
    kept = site.row(
        "SELECT count(*) AS kept, bool_and(pinned) AS pinned FROM v_canary_results WHERE at < now() + '200 years'"
    )
    assert kept == {"kept": 3 * PROMPTS + 1, "pinned": False}
    site.endpoint.says = lambda _canary: answer(off=0.03)
    site.send(12)
    assert site.row(ALERT)["status"] == "firing"
