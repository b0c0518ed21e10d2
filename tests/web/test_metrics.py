import io
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from monitor.model.metric import Metric
from monitor.storage.engine import connect
from monitor.storage.reader import PostgresReader
from monitor.telemetry import Telemetry
from monitor.web.metrics import database_metrics
from tests.web.support import START, Store

NOW = START + timedelta(seconds=20)


def flat(metrics: list[Metric]) -> dict[tuple[str, ...], float]:
    return {(metric.name, *labels): value for metric in metrics for labels, value in metric.samples}


def test_an_empty_database_has_figures(reader: PostgresReader) -> None:
    assert flat(database_metrics(reader, NOW)) == {
        ("driftwarden_store_up",): 1,
        ("driftwarden_drift_series_left_out",): 0,
        ("driftwarden_store_baseline_version",): 0,
        ("driftwarden_store_baseline_traces",): 0,
        ("driftwarden_store_baseline_segments",): 0,
        ("driftwarden_store_baseline_segments_left_out",): 0,
    }


def test_figures_are_those_of_the_views(store: Store, reader: PostgresReader) -> None:
    store.add_partition(0)
    store.add_partition(1, topic="http", next=5, end=5, traces=100, event_time=START + timedelta(seconds=5))
    store.add_alert(1, status="resolved")
    store.add_alert(2)
    store.add_alert(3, kind="offsets_lost", status="resolved")
    store.add_delivery(1, endpoint="ops", status="delivered")
    store.add_delivery(2, endpoint="ops", status="pending")
    store.add_delivery(2, endpoint="pager", status="dead")
    store.add_verdict(1, evidence=0.9)
    store.add_verdict(2, evidence=1.5)
    store.add_verdict(2, signal="hedging", evidence=0.25)
    store.add_baseline(1)
    store.add_baseline(2)
    found = flat(database_metrics(reader, NOW))
    expected = {
        ("driftwarden_store_up",): 1,
        ("driftwarden_store_traces", "traces", "0"): 7,
        ("driftwarden_store_traces", "http", "1"): 100,
        ("driftwarden_store_repeats", "traces", "0"): 2,
        ("driftwarden_store_rejects", "traces", "0"): 1,
        ("driftwarden_partition_lag", "traces", "0"): 2,
        ("driftwarden_partition_lag", "http", "1"): 0,
        ("driftwarden_partition_quiet_seconds", "traces", "0"): 20,
        ("driftwarden_watermark_age_seconds",): 20,
        ("driftwarden_alerts_open", "drift"): 1,
        ("driftwarden_alerts_open", "offsets_lost"): 0,
        ("driftwarden_store_alerts", "drift"): 2,
        ("driftwarden_deliveries_waiting", "ops", "pending"): 1,
        ("driftwarden_deliveries_waiting", "ops", "dead"): 0,
        ("driftwarden_deliveries_waiting", "pager", "dead"): 1,
        ("driftwarden_drift_evidence", "all", "latency"): 1.5,
        ("driftwarden_drift_evidence", "all", "hedging"): 0.25,
        ("driftwarden_drifted", "all", "latency"): 1,
        ("driftwarden_drifted", "all", "hedging"): 0,
        ("driftwarden_store_baseline_version",): 2,
        ("driftwarden_store_baseline_traces",): 5000,
        ("driftwarden_store_baseline_segments",): 0,
        ("driftwarden_store_baseline_segments_left_out",): 0,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_series_are_bounded_and_the_bound_is_told(store: Store, reader: PostgresReader) -> None:
    for number in range(5):
        store.add_verdict(1, segment=f"build=b{number}", evidence=number / 10)
    store.add_verdict(1, evidence=0.05)
    store.add_verdict(-70, segment="build=gone", evidence=2)  # an hour and more without traffic
    found = flat(database_metrics(reader, NOW, drift_series=3))
    shown = {key[1]: value for key, value in found.items() if key[0] == "driftwarden_drift_evidence"}
    assert shown == {"all": 0.05, "build=b4": 0.4, "build=b3": 0.3}
    assert found["driftwarden_drift_series_left_out",] == 3


def test_a_database_that_is_away_leaves_one_figure() -> None:
    away = PostgresReader(connect("postgresql://u@127.0.0.1:1/none"))
    assert flat(database_metrics(away, NOW)) == {("driftwarden_store_up",): 0}


def test_the_figures_join_those_of_the_process_in_one_exposition(store: Store, reader: PostgresReader) -> None:
    store.add_partition(0)
    telemetry = Telemetry("serve", json_logs=True, stream=io.StringIO())
    text = telemetry.exposition(database_metrics(reader, NOW)).decode()
    telemetry.close()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["driftwarden_store_traces"].samples[0].value == 7
    assert families["driftwarden_store_traces"].type == "counter"
    assert families["driftwarden_traces"].samples[0].value == 0
    assert text.count("# TYPE ") == len(families)
