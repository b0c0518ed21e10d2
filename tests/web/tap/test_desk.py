"""What the tap remembers stays small, and ends."""

from datetime import UTC, datetime

from monitor.telemetry.gen_ai import opened
from monitor.web.tap.desk import MOST_NAMES, OTHERS, REFUSED_S, Desk


def desk(times: list[float]) -> Desk:
    return Desk(
        top=5, rate=1.0, record=None, feedback=None, span=lambda *told: opened(None, *told),
        clock=lambda: datetime(2026, 5, 1, tzinfo=UTC), timer=lambda: times[0], emit=lambda _event: None,
    )  # fmt: skip


def test_a_refusal_is_forgotten_after_an_hour() -> None:
    times = [0.0]
    made = desk(times)
    made.refused("m")
    assert made.refuses("m")
    assert not made.refuses("other")
    times[0] = REFUSED_S + 1
    assert not made.refuses("m")


def test_names_that_clients_make_up_are_no_series_of_their_own() -> None:
    made = desk([0.0])
    for number in range(2 * MOST_NAMES):
        made.refused(f"m{number}")
    assert len(made.counts.refusals) == MOST_NAMES + 1
    assert made.counts.refusals[OTHERS] == MOST_NAMES
    assert made.named("m0") == "m0"
    assert sum(made.refuses(f"m{number}") for number in range(2 * MOST_NAMES)) == MOST_NAMES
