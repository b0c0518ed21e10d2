from dataclasses import replace

import pytest

from detectors.cause import Kind
from monitor.alerting import explained, merged, unexplained
from monitor.model.alert import Change
from monitor.paging import known
from tests.drifts import ACME, AT, changed, diagnosis, fired, verdict
from tests.stores import PANE

TRAFFIC: list[tuple[Kind, float]] = [("traffic_mix", 0.6), ("tenant", 0.2)]


@pytest.mark.parametrize(
    ("causes", "signals", "paged"),
    [
        ([("build", 0.9)], ["response.tokens"], True),
        (TRAFFIC, ["response.tokens", "prompt.embedding"], False),
        ([("new_topic", 0.4)], ["response.tokens"], True),  # more than half of it may be anything
        ([("traffic_mix", 0.6), ("adapter", 0.2)], ["response.tokens"], True),
        ([("unexplained", 0.0)], ["prompt.embedding", "prompt.characters"], False),
        ([("unexplained", 0.0)], ["relation"], True),
        ([("unexplained", 0.0)], ["prompt.embedding", "relation"], False),  # a second look will tell
    ],
)
def test_what_other_questions_alone_explain_pages_nobody(
    causes: list[tuple[Kind, float]], signals: list[str], paged: bool
) -> None:
    drifting = [verdict(signal) for signal in signals]
    change = changed(drifting)
    assert change is not None

    told = explained(change, drifting, diagnosis(*causes))
    assert (told.happening, told.alert.paged, told.notify) == ("alert.firing", paged, paged)
    assert explained(change, drifting, diagnosis(*causes), page_traffic=True).notify
    over = changed([verdict(drifted=False)], told.alert)
    assert over is not None
    assert over.notify is paged


def test_what_the_prompts_let_one_expect_pages_nobody_though_no_cause_is_sure() -> None:
    drifting = [verdict("response.embedding")]
    change = changed(drifting)
    assert change is not None
    unclear = diagnosis(("unexplained", 0.0))
    still = verdict("prompt.embedding", drifted=False, log_e=4.0)
    leaning = replace(still, log_e=6.0)
    for behaviour, prompts, paged in (
        (0.2, still, False), (0.8, still, True), (0.8, leaning, True), (None, still, True), (None, leaning, False),
    ):  # fmt: skip
        told = explained(change, [*drifting, prompts], replace(unclear, behaviour={"response.embedding": behaviour}))
        assert told.notify is paged


def test_a_quiet_alert_fires_when_a_later_look_names_a_deployment() -> None:
    drifting = [verdict()]
    first = changed(drifting)
    assert first is not None
    quiet = explained(first, drifting, diagnosis(*TRAFFIC))
    again = Change("alert.updated", quiet.alert, AT + PANE)

    assert not explained(again, drifting, diagnosis(*TRAFFIC)).notify
    unclear = diagnosis(("unexplained", 0.0))
    assert explained(first, drifting, unclear).notify
    assert not explained(again, drifting, unclear).notify
    fires = explained(again, drifting, diagnosis(("build", 0.9)))
    assert (fires.happening, fires.notify) == ("alert.firing", True)
    told = explained(Change("alert.updated", fires.alert, AT + 2 * PANE), drifting, diagnosis(("build", 0.9)))
    assert (told.happening, told.notify) == ("alert.updated", False)
    assert merged([quiet, fires, told]) == [Change("alert.firing", told.alert, AT)]


@pytest.mark.parametrize(
    ("first", "later", "shift", "paged"),
    [
        (0.1, 0.9, 1.0, False),  # what was laid to other questions fades when these are over
        (None, 0.7, 1.0, True),
        (None, 0.7, 0.2, False),
        (None, 0.54, 1.0, False),
        (None, None, 1.0, False),
    ],
)
def test_a_quiet_alert_fires_for_another_signal_that_is_surely_other_answers(
    first: float | None, later: float | None, shift: float, *, paged: bool
) -> None:
    drifting = [verdict()]
    change = changed(drifting)
    assert change is not None
    quiet = explained(change, drifting, replace(diagnosis(*TRAFFIC), behaviour={"response.tokens": first}))
    look = replace(diagnosis(("unexplained", 0.0), shift=shift), behaviour={"response.tokens": later})

    assert not quiet.notify
    assert explained(Change("alert.updated", quiet.alert, AT + PANE), drifting, look).notify is paged


@pytest.mark.parametrize(
    ("causes", "told", "paged"),
    [
        ([("build", 0.9)], {"bot:int4-7f3a", "bot:1"}, False),
        ([("prompt_template", 0.5), ("traffic_mix", 0.3)], {"bot:int4-7f3a"}, False),
        ([("build", 0.9)], {"bot:1"}, True),
        ([("build", 0.9)], set(), True),
        ([("unexplained", 0.0)], {"bot:int4-7f3a"}, False),  # it may well come with that build
        ([("unexplained", 0.0)], {"bot:1"}, True),
    ],
)
def test_what_canaries_have_told_of_pages_nobody_again(
    causes: list[tuple[Kind, float]], told: set[str], *, paged: bool
) -> None:
    drifting = [verdict()]
    change = changed(drifting)
    assert change is not None

    first = explained(change, drifting, diagnosis(*causes), told=told)
    assert first.notify is paged
    assert explained(change, drifting, diagnosis(*causes), told=told, page_traffic=True).notify is paged
    again = Change("alert.updated", first.alert, AT + PANE)
    other = diagnosis(("adapter", 0.9), build="bot:3")
    assert explained(again, drifting, other, told=told).notify is not paged


def test_a_drift_is_known_when_each_deployment_it_is_laid_to_has_traces_of_the_build() -> None:
    found = diagnosis(("prompt_template", 0.6), ("build", 0.2))
    shared = replace(found, builds=[["bot:2"], ["bot:1", "bot:2"], ["bot:1", "bot:2"]])
    another = replace(found, builds=[["bot:2"], ["bot:3"], ["bot:2", "bot:3"]])

    assert known(shared, ["bot:2"])
    assert not known(another, ["bot:2"])
    assert not known(shared, [])
    assert not known(replace(diagnosis(*TRAFFIC), builds=[["bot:2"]] * 3), ["bot:2"])


def test_a_drift_of_few_traces_waits_for_more_where_canaries_have_paged() -> None:
    drifting = [verdict()]
    change = changed(drifting)
    assert change is not None

    assert unexplained(change, told=()).notify
    waiting = unexplained(change, told=["bot:int4-7f3a"])
    assert not waiting.notify
    again = Change("alert.updated", waiting.alert, AT + PANE)
    vague = replace(diagnosis(("unexplained", 0.0)), behaviour={"response.tokens": 0.9})
    assert not explained(again, drifting, vague, told=["bot:int4-7f3a"]).notify
    assert explained(again, drifting, vague, told=["bot:other"]).notify


def test_a_quiet_alert_of_all_traffic_inhibits_none_of_its_parts() -> None:
    change = changed([verdict(segment=ACME)], parent=replace(fired("prompt.embedding"), paged=False))
    assert change is not None
    assert (change.alert.inhibited_by, change.notify) == (None, True)
