"""Nothing is lost and nothing is stored twice, whoever dies when; and the count that says so can fail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.delivery.conftest import Server
from tests.delivery.fleet import falls
from tests.delivery.harness import Outcome, Plan, Services, Site
from tests.delivery.worker import POINTS

KILLS_PER_POINT = 5
FROZEN = ("after_score", "after_offsets")


def services(server: Server, kafka: Broker) -> Services:
    def crash_database() -> None:
        server.crash()
        server.start()

    def crash_broker() -> None:
        kafka.kill()
        kafka.restart()

    return Services(server.fresh(), kafka.bootstrap, crash_database, crash_broker)


@pytest.fixture(scope="module")
def outcome(server: Server, kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Two consumers killed at every point, two frozen, a crash of the database and of the broker, two new baselines."""
    plan = Plan(
        falls(KILLS_PER_POINT, FROZEN), database_crashes=(8,), broker_crashes=(16,), new_baselines=(3, 22)
    )  # fmt: skip
    return Site(services(server, kafka), plan, tmp_path_factory.mktemp("kills")).run()


def test_every_point_saw_its_kills(outcome: Outcome) -> None:
    assert outcome.kills == Counter(dict.fromkeys(POINTS, KILLS_PER_POINT))
    assert outcome.zombies == Counter(FROZEN)


def test_every_record_is_stored_or_rejected_or_counted_as_a_repeat_exactly_once(outcome: Outcome) -> None:
    expected = {measure.name: measure.expected for measure in outcome.audit.measures}
    assert outcome.audit.wrong() == []
    assert expected["traces"] > 2_000
    assert min(expected["rejects"], expected["offsets.repeats"]) > 40


def test_sums_of_panes_are_those_of_the_stored_traces(outcome: Outcome) -> None:
    assert outcome.audit.sums_differ == 0


def test_a_consumer_that_wakes_after_its_session_is_fenced_off(outcome: Outcome) -> None:
    assert outcome.fenced >= 1


def test_a_graceful_stop_ends_with_zero_and_the_offsets_at_the_end(outcome: Outcome) -> None:
    assert set(outcome.exit_codes) == {0}
    assert len(outcome.exit_codes) >= len(FROZEN) + 1
    assert outcome.at_rest


def test_without_the_compare_and_set_a_late_consumer_stores_records_twice(
    server: Server, kafka: Broker, tmp_path: Path
) -> None:
    """The ablation: the same count finds what is wrong when something is."""
    plan = Plan(falls(1, ["after_score"] * 2, points=("after_poll", "after_commit")), compare_and_set=False)
    outcome = Site(services(server, kafka), plan, tmp_path).run()
    twice = {measure.name: measure.duplicated for measure in outcome.audit.measures}
    assert outcome.zombies == Counter({"after_score": 2})
    assert outcome.audit.lost == 0
    assert min(twice["traces"], twice["offsets.traces"], twice["pane sums"], twice["builds"]) > 0
