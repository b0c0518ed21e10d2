"""What a person accepts, end to end: a drift, the references that become new, and what is judged from then on."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from monitor.accepting import Accepted, Accepter, Wish
from monitor.errors import Permanent
from monitor.events import AlertChanged, BaselineActivated
from monitor.fitting import Learning
from monitor.model.segment import Segment
from tests.site import ACME, ALL, CHANGED, MOVED, OLD, PACE, PER_PANE, REFERENCE, Site
from tests.stores import KINDS_OF_STORES, PANE, START, WATCHED, InMemory, Stores, opened

ACCEPTED = CHANGED + 7  # panes: by then the change has been alerted on, and it lasts two more
OTHERS = ("response.characters", "hedging")
EVERYTHING = 10_000


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        yield found


def drifting(stores: Stores) -> Site:
    """A site on whose traffic a change was alerted."""
    site = Site(stores, "pager")
    site.learn()
    go_on(site, REFERENCE + 2, ACCEPTED)
    return site


def go_on(site: Site, first: int, stop: int) -> None:
    for pane in range(first, stop):
        site.consume(pane)
        site.judge.tick()


def accepter(site: Site, *, space: str = "none/2") -> Accepter:
    learning = Learning(watched=WATCHED, replay=None)
    store = site.stores.baselines("pager")
    return Accepter(store, learning=learning, pace=PACE, clock=site.clock, emit=site.emit, space=space)


def accept(site: Site, *signals: str, segment: Segment = ALL, last: int = EVERYTHING) -> Accepted:
    (alert,) = (each for each in site.stores.alerts() if each.labels["segment"] == "all")
    return accepter(site).accept(Wish(segment, signals, last, alert.onset))


def drifted(stores: Stores, segment: Segment, *, since: int) -> set[tuple[str, datetime]]:
    """Signals of a segment that drifted, with the panes."""
    return {
        (signal, pane)
        for pane, where, signal, _, _, found in stores.verdicts()
        if found and where == segment and pane >= START + since * PANE
    }


def test_an_accepted_drift_ends_its_alerts_and_drifts_no_more(stores: Stores) -> None:
    site = drifting(stores)
    before = {alert.labels["segment"]: alert for alert in stores.alerts()}
    done = accept(site, *MOVED)
    go_on(site, ACCEPTED, CHANGED + 9)
    after = {alert.labels["segment"]: alert for alert in stores.alerts()}

    assert {alert.status for alert in before.values()} == {"firing"}
    assert before.keys() == after.keys() == {"all", "tenant=acme"}
    assert {(alert.status, alert.resolution, alert.resolved_at) for alert in after.values()} == {
        ("resolved", "accepted", START + ACCEPTED * PANE)
    }
    assert drifted(stores, ALL, since=ACCEPTED) == drifted(stores, ACME, since=ACCEPTED) == set()
    assert stores.posted() == [("alert.firing", "all", "pager"), ("alert.resolved", "all", "pager")]
    assert done.baseline.source == (
        "accepted: response.tokens, tokenization.fragmentation of all traffic, all else as in baseline 1"
    )
    assert done.anew == {
        segment: list(MOVED) for segment in (ALL, ACME, Segment.of(build=OLD), Segment.of(tenant="other"))
    }
    assert BaselineActivated(2, done.baseline.source, done.baseline.traces, 4) in site.events
    assert [event.happening for event in site.events if isinstance(event, AlertChanged)][-2:] == ["alert.resolved"] * 2


def test_the_new_reference_is_what_was_since_the_onset(stores: Stores) -> None:
    site = drifting(stores)
    (onset,) = {alert.onset for alert in stores.alerts() if alert.labels["segment"] == "all"}
    baseline = accept(site, "response.tokens").baseline
    found = baseline.references[ALL]["response.tokens"]

    assert (found.n, baseline.traces) == (baseline.traces, (START + ACCEPTED * PANE - onset) / PANE * PER_PANE)
    assert (baseline.since, baseline.until) == (onset, START + ACCEPTED * PANE - PANE / PER_PANE)
    assert len(baseline.builds) == 2


def test_what_is_accepted_is_compared_with_from_then_on(stores: Stores) -> None:
    """The traffic goes back to what it was, and that is a drift now."""
    site = drifting(stores)
    accept(site, *MOVED)
    go_on(site, ACCEPTED, CHANGED + 20)
    last = stores.alerts()[-1]

    assert (last.labels["segment"], last.status) in {("all", "firing"), ("tenant=acme", "firing")}
    assert {signal for signal, _ in drifted(stores, ALL, since=ACCEPTED)} == set(MOVED)
    assert last.evidence["response.tokens"]["reference"] > last.evidence["response.tokens"]["now"] + 20


def test_evidence_about_all_else_goes_on_as_if_nothing_had_been_accepted() -> None:
    sites = [drifting(InMemory()), drifting(InMemory())]
    accept(sites[0], *MOVED)
    for site in sites:
        go_on(site, ACCEPTED, CHANGED + 9)
    one, other = ([row for row in site.stores.verdicts() if row[2] in OTHERS] for site in sites)

    assert one == other
    assert len({pane for pane, *_ in one}) == CHANGED + 8 - REFERENCE
    assert {signal for _, _, signal, *_ in one} == set(OTHERS)


def test_an_alert_about_more_than_was_accepted_stays_open_about_the_rest(stores: Stores) -> None:
    site = drifting(stores)
    accept(site, MOVED[0])
    alert = next(alert for alert in stores.alerts() if alert.labels["segment"] == "all")

    assert (alert.status, alert.resolution, tuple(alert.signals)) == ("firing", None, MOVED[1:])
    assert stores.posted() == [("alert.firing", "all", "pager")]


def test_a_segment_is_accepted_by_itself(stores: Stores) -> None:
    site = drifting(stores)
    baseline = site.store.baseline()
    assert baseline is not None
    done = accept(site, segment=ACME)
    open_now = {alert.labels["segment"] for alert in stores.alerts() if alert.open}

    assert done.anew == {ACME: list(baseline.references[ACME])}
    assert open_now == {"all"}
    assert done.baseline.references[ALL]["response.tokens"].n == REFERENCE * PER_PANE
    assert done.baseline.references[ACME]["response.tokens"].n < REFERENCE * PER_PANE / 2


def test_a_segment_with_too_few_traces_is_not_judged_by_what_is_no_more(stores: Stores) -> None:
    site = drifting(stores)
    done = accept(site, *MOVED, last=250)
    kept = done.baseline.references

    assert done.too_small == {segment: 125 for segment in done.anew if segment != ALL}
    assert not any(signal in kept[ACME] for signal in MOVED)
    assert "response.characters" in kept[ACME]
    assert kept[ALL]["response.tokens"].n == 250


@pytest.mark.parametrize(
    ("signals", "segment", "told"),
    [
        (("speed",), ALL, r"baseline 1 has no reference of signal speed; it has those of: .*response\.tokens"),
        ((), Segment.of(tenant="x"), r"baseline 1 has no reference of segment tenant=x; it has those of: all, build="),
    ],
)
def test_what_is_not_watched_is_not_accepted(signals: tuple[str, ...], segment: Segment, told: str) -> None:
    site = drifting(InMemory())

    with pytest.raises(Permanent, match=told):
        accept(site, *signals, segment=segment)


def test_what_has_too_few_traces_to_compare_with_is_not_accepted() -> None:
    site = drifting(InMemory())
    wish = Wish(ACME, (), EVERYTHING, START + (ACCEPTED - 3) * PANE)

    with pytest.raises(
        Permanent,
        match=r"expected at least 200 traces of tenant=acme since 2090-05-01 12:19 UTC, found 150: accept when",
    ):
        accepter(site).accept(wish)
    assert len(site.stores.alerts()) == 2


def test_without_a_baseline_of_the_same_embeddings_nothing_is_accepted() -> None:
    site = Site(InMemory())
    wish = Wish(ALL, (), EVERYTHING)

    with pytest.raises(Permanent, match="there is no baseline in force"):
        accepter(site).accept(wish)
    site.learn()
    with pytest.raises(
        Permanent, match="baseline 1 was made of embeddings of none/2, but the settings ask for those of x/3"
    ):
        accepter(site, space="x/3").accept(wish)
