"""Where a worker's traces go."""

from pathlib import Path

from monitor.importing.http import HttpSink
from monitor.settings import Settings, WorkerSettings
from monitor.wiring.working import sinks_for


def test_without_a_broker_traces_go_to_the_sidecar_that_is_named() -> None:
    worker = WorkerSettings(model=Path("assistant"), sidecar="http://127.0.0.1:8321")
    sinks = sinks_for(Settings(kafka=None, worker=worker))
    assert sinks is not None
    assert sinks.keys() == {"traces"}
    sink = sinks["traces"]
    assert isinstance(sink, HttpSink)
    assert sink.endpoint == "http://127.0.0.1:8321/v1/traces"
    sink.close()


def test_a_worker_without_broker_and_sidecar_leaves_no_trace() -> None:
    assert sinks_for(Settings(kafka=None, worker=WorkerSettings(model=Path("assistant")))) is None
