import io
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from monitor.events import (
    AlertChanged,
    Attempted,
    Away,
    Back,
    BaselineActivated,
    BatchScored,
    BatchStored,
    CanaryAnswered,
    Event,
    FeedbackStored,
    LaggedLearned,
    OffsetsLost,
    OwnershipLost,
    PanesJudged,
    PartitionsPlaced,
    RoleEnded,
    SegmentsLeftOut,
    Started,
    Stopped,
)
from monitor.model.metric import Metric
from monitor.telemetry import Telemetry, link_from, otlp_exporter

EVENTS: tuple[Event, ...] = (
    Started("consume"),
    Stopped("consume"),
    RoleEnded("judge", -9, 1.0),
    BatchStored(100, 3, Counter({"not_json": 2}), {"score": 0.02, "store": 0.2}),
    BatchStored(50, 0, Counter(), {"score": 0.02}),
    BatchScored({"hedging": 0.25}, {"hedging": Counter(ok=3), "judge": Counter(error=1)}),
    BatchScored({"hedging": 0.5}, {"hedging": Counter(ok=2)}),
    FeedbackStored(7, 1, Counter({"not_json": 1})),
    PartitionsPlaced({"traces/0": 5, "traces/1": 6}),
    OwnershipLost("traces/0 moved"),
    Away("store", "refused", 1.5),
    Away("kafka", "refused", 1.5),
    Back("store"),
    OffsetsLost("traces/0", 10, 25),
    OffsetsLost("traces/1", 10, 0),
    BaselineActivated(2, "first traces", 5000, 3),
    LaggedLearned(2, "lagged: the traffic of 2026-01-01", 5000, 3),
    SegmentsLeftOut(2, "tenant=acme", 3, 200),
    PanesJudged("all", 4, 256.0, ("latency",)),
    AlertChanged("alert.firing", {"kind": "drift"}, "latency rose", datetime(2026, 5, 1, tzinfo=UTC)),
    CanaryAnswered("bot", "refunds", "ok", None, -0.5),
    CanaryAnswered("bot", "refunds", "busy", "HTTP 429", None),
    Attempted("ops", "msg_1", "retry", 503, 1),
    Attempted("ops", "msg_1", "delivered", 200, 2),
)


def samples(exposition: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(exposition.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def telemetry(lines: io.StringIO) -> Iterator[Telemetry]:
    telemetry = Telemetry("consume", json_logs=True, stream=lines)
    yield telemetry
    telemetry.close()


def test_events_add_up_in_the_exposition(telemetry: Telemetry) -> None:
    for event in EVENTS:
        telemetry.emit(event)
    found = samples(telemetry.exposition())
    expected = {
        ("driftwarden_traces_total", ()): 150,
        ("driftwarden_feedback_total", ()): 7,
        ("driftwarden_repeats_total", ()): 4,
        ("driftwarden_rejects_total", (("reason", "not_json"),)): 3,
        ("driftwarden_batches_total", ()): 2,
        ("driftwarden_batch_stage_seconds_count", (("stage", "score"),)): 2,
        ("driftwarden_batch_stage_seconds_sum", (("stage", "store"),)): 0.2,
        ("driftwarden_batch_stage_seconds_bucket", (("le", "0.025"), ("stage", "score"))): 2,
        ("driftwarden_batch_stage_seconds_bucket", (("le", "0.01"), ("stage", "score"))): 0,
        ("driftwarden_score_seconds_total", (("score", "hedging"),)): 0.75,
        ("driftwarden_scores_total", (("score", "hedging"), ("status", "ok"))): 5,
        ("driftwarden_scores_total", (("score", "judge"), ("status", "error"))): 1,
        ("driftwarden_partitions", ()): 2,
        ("driftwarden_ownership_lost_total", ()): 1,
        ("driftwarden_away", (("what", "store"),)): 0,
        ("driftwarden_away", (("what", "kafka"),)): 1,
        ("driftwarden_offsets_lost_total", ()): 15,
        ("driftwarden_baseline_version", ()): 2,
        ("driftwarden_panes_total", ()): 4,
        ("driftwarden_judged_traces_total", ()): 256,
        ("driftwarden_alerts_total", (("happening", "alert.firing"),)): 1,
        ("driftwarden_deliveries_total", (("endpoint", "ops"), ("outcome", "retry"))): 1,
        ("driftwarden_deliveries_total", (("endpoint", "ops"), ("outcome", "delivered"))): 1,
        ("driftwarden_role_restarts_total", (("role", "judge"),)): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_counters_stand_at_zero_before_the_first_event(telemetry: Telemetry) -> None:
    found = samples(telemetry.exposition())
    assert found["driftwarden_traces_total", ()] == 0
    assert found["driftwarden_offsets_lost_total", ()] == 0


def test_two_telemetries_in_one_process_count_apart(telemetry: Telemetry) -> None:
    other = Telemetry("judge", json_logs=True, stream=io.StringIO())
    other.emit(EVENTS[3])
    assert samples(telemetry.exposition())["driftwarden_traces_total", ()] == 0
    assert samples(other.exposition())["driftwarden_traces_total", ()] == 100
    other.close()


def test_figures_of_others_join_the_exposition_whatever_their_labels_hold(telemetry: Telemetry) -> None:
    odd = 'a "quoted"\n\\ name, ü=1'
    found = samples(
        telemetry.exposition(
            [
                Metric("driftwarden_store_traces", "counter", "Traces.", ("topic",), [((odd,), 7.0), (("b",), 8.0)]),
                Metric("driftwarden_store_up", "gauge", "Up.", (), [((), 1.0)]),
                Metric("driftwarden_watermark_age_seconds", "gauge", "Age.", (), []),
            ]
        )
    )
    assert found["driftwarden_store_traces_total", (("topic", odd),)] == 7
    assert found["driftwarden_store_up", ()] == 1
    assert found["driftwarden_batches_total", ()] == 0


def test_scrapes_at_the_same_time_are_whole(telemetry: Telemetry) -> None:
    telemetry.emit(EVENTS[3])
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(telemetry.exposition())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {found[0]}
    assert samples(found[0])["driftwarden_traces_total", ()] == 100


def test_a_log_line_is_json_with_the_fields_of_the_event(telemetry: Telemetry, lines: io.StringIO) -> None:
    for event in EVENTS:
        telemetry.emit(event)
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    by_event = {entry["event"]: entry for entry in logged}
    assert {k: v for k, v in by_event["role_ended"].items() if k != "at"} == {
        "level": "warning", "process": "consume", "event": "role_ended", "role": "judge", "code": -9, "again_in_s": 1.0,
    }  # fmt: skip
    assert by_event["alert_changed"]["onset"] == "2026-05-01T00:00:00Z"
    assert by_event["batch_stored"]["rejects"] == {"not_json": 2}
    assert by_event["offsets_lost"]["level"] == "error"
    # A batch without rejects is no news.
    assert sum(entry["event"] == "batch_stored" for entry in logged) == 1
    assert datetime.fromisoformat(logged[0]["at"]).tzinfo is not None


def test_a_log_line_for_people_says_who_and_what(lines: io.StringIO) -> None:
    telemetry = Telemetry("judge", json_logs=False, stream=lines)
    telemetry.emit(Away("store", "connection refused", 1.5))
    telemetry.close()
    assert lines.getvalue()[8:] == " judge: WARNING away what=store reason=connection refused again_in_s=1.5\n"


def test_libraries_write_to_the_same_log(telemetry: Telemetry, lines: io.StringIO) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        telemetry.include_libraries()
        try:
            raise ValueError("broken")
        except ValueError:
            logging.getLogger("some.library").exception("it %s", "failed")
    finally:
        root.handlers = before
        root.setLevel(level)
        logging.captureWarnings(capture=False)
    entry = json.loads(lines.getvalue())
    assert (entry["logger"], entry["message"], entry["level"]) == ("some.library", "it failed", "error")
    assert entry["exception"].endswith("ValueError: broken")


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def traceparent(text: str) -> Mapping[str, bytes]:
    return {"traceparent": text.encode()}


def test_a_link_names_the_producers_span() -> None:
    link = link_from(traceparent(f"00-{TRACE}-{SPAN}-01"))
    assert link is not None
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == (TRACE, SPAN)


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known() -> None:
    assert link_from(traceparent(f"01-{TRACE}-{SPAN}-01-more")) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-00",  # not sampled: nobody keeps that span
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_a_header_without_a_kept_span_gives_no_link(text: str) -> None:
    assert link_from(traceparent(text)) is None


def test_a_batch_span_links_at_most_128_producers_spread_over_the_batch() -> None:
    spans = InMemorySpanExporter()
    telemetry = Telemetry("consume", json_logs=True, spans=spans, stream=io.StringIO())
    with telemetry.batch([traceparent(f"00-{TRACE}-{place:016x}-01") for place in range(1, 1001)]):
        pass
    telemetry.close()
    (span,) = spans.get_finished_spans()
    linked = [link.context.span_id for link in span.links]
    assert linked == list(range(1, 1001, 8))
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 1000


def test_an_empty_batch_has_a_span_without_links() -> None:
    spans = InMemorySpanExporter()
    telemetry = Telemetry("consume", json_logs=True, spans=spans, stream=io.StringIO())
    with telemetry.batch([]):
        pass
    telemetry.close()
    assert [len(span.links) for span in spans.get_finished_spans()] == [0]


def test_without_an_exporter_headers_are_not_even_read(telemetry: Telemetry) -> None:
    class Unread(list[Mapping[str, bytes]]):
        def __getitem__(self, place: object) -> object:  # type: ignore[override]
            raise AssertionError("read")

    done = False
    with telemetry.batch(Unread([{}])):
        done = True
    assert done


def test_spans_are_exported_only_where_an_endpoint_is_set_and_an_exporter_installed() -> None:
    assert otlp_exporter({}) is None
    # The exporter is no dependency of ours; where someone has installed it, it is used.
    made = otlp_exporter({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    assert made is None or type(made).__name__ == "OTLPSpanExporter"
