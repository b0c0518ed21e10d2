"""Feedback from a real topic, beside a consumer of traces, into a real database."""

import io
import json
import threading
import time
from uuid import uuid4

from monitor.kafka.sink import KafkaSink
from monitor.telemetry import Telemetry
from monitor.wiring.roles import Stop, run_listening
from tests.conftest import Broker
from tests.kafka.support import prepared
from tests.stores import FIRST, InPostgres, line, unit


def said(number: int) -> bytes:
    return json.dumps({"id": f"t{number}", "tenant": "acme", "kind": "thumb", "value": "down"}).encode()


def test_feedback_of_a_topic_becomes_labels_and_each_is_stored_once(kafka: Broker, database_url: str) -> None:
    config = prepared(kafka, feedback_topic=f"feedback.{uuid4().hex[:12]}")
    stores = InPostgres(database_url)
    stores.traces().positions({FIRST: 0})
    stores.traces().commit(unit([line(number) for number in range(3)]))
    sink = KafkaSink(config, config.feedback_topic)

    def listened(sent: list[bytes], labels: int) -> int:
        """Publishes, listens until there are so many labels, and stops; how many there are then."""
        for value in sent:
            sink.send(None, value, {})
        sink.flush()
        stop, telemetry = Stop(), Telemetry("consume", json_logs=True, stream=io.StringIO())
        thread = threading.Thread(target=run_listening, args=(config, stores.engine, stop, telemetry))
        thread.start()
        until = time.monotonic() + 60
        while len(stores.feedback().labelled(since=None, until=None).bad) < labels and time.monotonic() < until:
            stop.wait(0.1)
        stop.event.set()
        thread.join()
        telemetry.close()
        return len(stores.feedback().labelled(since=None, until=None).bad)

    first = listened([said(0), said(1), b"nonsense"], 2)
    second = listened([said(2)], 3)
    kept = stores.rows("SELECT id, bad FROM v_feedback ORDER BY id")
    rejects = [row.reason for row in stores.rows("SELECT reason FROM v_rejects")]
    sink.close()
    stores.close()

    assert (first, second) == (2, 3)
    assert [(row.id, row.bad) for row in kept] == [("t0", True), ("t1", True), ("t2", True)]
    assert rejects == ["not_json"]
