"""What the worker does beside answering: traces, feedback, probes, refusals, and clients that go."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest

from monitor.kafka import topics
from monitor.kafka.config import KafkaConfig
from monitor.kafka.sink import KafkaSink
from monitor.settings import Settings
from monitor.wiring.working import sinks_for
from tests.conftest import Broker
from tests.kafka.support import prepared, read_all
from tests.web.worker.support import DEADLINE_S, Site, Start, slowed, traces

ASK: list[Any] = [{"role": "user", "content": "Hi"}]


def test_an_answer_leaves_a_trace_with_what_the_caller_knew(start: Start) -> None:
    site = start()
    extension = {
        "context": ["Refunds take five days.", {"id": "kb-2", "text": "Ask support.", "score": 0.7}],
        "trace": {
            "segment": {"tenant": "acme", "session_id": "s1", "labels": {"plan": "pro"}},
            "prompt_template": {"name": "rag", "version": "3"},
            "retrieval": {"query": "refund", "k": 2},
        },
    }
    with site.client() as client:
        answer = client.chat.completions.create(
            model="bot", messages=ASK, max_tokens=6, seed=1, user="u1", extra_body={"driftwarden": extension},
            extra_headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        )  # fmt: skip
    (trace,) = traces(site, 1)
    assert trace.id == trace.response_id == answer.id
    assert trace.output_messages[0].parts[0].content == answer.choices[0].message.content
    assert [document.id for document in trace.context] == ["0", "kb-2"]
    assert (trace.tenant, trace.segment.user_id, trace.segment.labels) == ("acme", "u1", {"plan": "pro"})
    assert trace.prompt_template is not None
    assert (trace.prompt_template.version, trace.retrieval and trace.retrieval.k) == ("3", 2)
    assert (trace.trace_id, trace.parent_span_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert trace.model.engine is not None
    assert trace.model.engine.execution_provider == "CPUExecutionProvider"
    assert len(trace.model.revision or "") == 64
    assert trace.timing.queue_s is not None
    assert site.traces.published[0][2]["traceparent"].startswith(b"00-0af7651916cd43dd8448eb211c80319c-")


def test_samples_are_drawn_for_a_share_of_the_traces(start: Start) -> None:
    site = start(sample_rate=1.0, samples=3)
    with site.client() as client:
        answer = client.chat.completions.create(model="bot", messages=ASK, max_tokens=10)
    (trace,) = traces(site, 1)
    assert len(answer.choices) == 1
    assert len(trace.samples) == 3
    assert all(sample.n_tokens is not None for sample in trace.samples)


def test_a_request_that_says_so_leaves_no_trace_and_no_samples(start: Start) -> None:
    site = start(sample_rate=1.0, samples=2)
    with site.client() as client:
        for headers in ({"x-driftwarden-traced": "false"}, {}):
            client.completions.create(model="bot", prompt="a", max_tokens=2, extra_headers=headers)
    (trace,) = traces(site, 1)
    assert len(trace.samples) == 2
    assert site.worker.scheduler.counts.prompts == 2
    assert site.worker.traces is not None
    assert site.worker.traces.fates["taken"] == 1


def test_feedback_goes_to_its_topic_and_is_checked_first(start: Start) -> None:
    site = start()
    good = httpx.post(f"{site.address}/v1/feedback", json={"id": "chatcmpl-1", "kind": "thumb", "value": "down"})
    bad = httpx.post(f"{site.address}/v1/feedback", json={"id": "chatcmpl-1", "kind": "stars"})
    assert site.until(lambda: len(site.feedback.published) == 1)
    key, value, _ = site.feedback.published[0]
    assert good.status_code == 202
    assert (key, json.loads(value)["value"]) == (b"chatcmpl-1", "down")
    assert bad.status_code == 400
    assert bad.json()["error"]["code"] == "wrong_type"


def test_probes_say_what_really_runs(start: Start) -> None:
    site = start()
    ready = httpx.get(f"{site.address}/readyz")
    told = ready.json()
    assert httpx.get(f"{site.address}/livez").json() == {"live": True}
    assert ready.status_code == 200
    assert (told["provider"], told["model"], told["precision"]) == ("CPUExecutionProvider", "bot", "fp32")
    assert told["revision"] == site.worker.model.build.revision
    site.worker.scheduler.stop()
    assert site.until(lambda: httpx.get(f"{site.address}/readyz").status_code == 503)


def test_metrics_bear_the_names_of_the_conventions(start: Start) -> None:
    site = start()
    with site.client() as client:
        client.chat.completions.create(model="bot", messages=ASK, max_tokens=5, temperature=0)
    found = httpx.get(f"{site.address}/metrics").text
    for name in (
        "gen_ai_server_request_duration_seconds_count", "gen_ai_server_time_to_first_token_seconds_count",
        "gen_ai_server_time_per_output_token_seconds_count",
    ):  # fmt: skip
        assert f'{name}{{gen_ai_operation_name="chat"' in found
    assert "driftwarden_worker_slots 8.0" in found
    assert "driftwarden_worker_output_tokens_total 5.0" in found
    assert 'driftwarden_worker_traces_total{fate="taken"} 1.0' in found


def test_a_token_is_asked_for_where_there_is_one(start: Start) -> None:
    site = start(token="0123456789abcdef")
    with site.client() as stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    with site.client("0123456789abcdef") as known:
        assert known.models.list().data[0].id == "bot"
    assert refused.value.code == "invalid_api_key"
    assert httpx.get(f"{site.address}/readyz").status_code == 200


@pytest.mark.parametrize("body", [b"{bad", b"", b"[]", b'{"model": "bot", "messages": "\xff"}'])
def test_a_body_that_is_no_request_is_an_error_object(site: Site, body: bytes) -> None:
    answer = httpx.post(f"{site.address}/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert httpx.post(f"{site.address}/v1/nothing").json()["error"]["message"] == "Not Found"


def test_a_full_queue_is_answered_with_429_and_a_time(start: Start) -> None:
    site = start(slots=1, queue=1)
    with site.client() as client, ThreadPoolExecutor(2) as pool:
        slow = slowed(site)
        # Two long answers hold the slot and the queue; the second comes once the first has left the queue.
        held, streams = site.worker.scheduler, []
        for count in (1, 2):
            streams.append(
                pool.submit(client.chat.completions.create, model="bot", messages=ASK, stream=True, temperature=0)
            )
            assert site.until(lambda: len(held.rows) == 1 and len(held.rows) + len(held.waiting) == count)  # noqa: B023
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="bot", messages=ASK)
        slow.set()
        for each in streams:
            each.result().close()
    assert refused.value.code == "rate_limit_exceeded"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert site.until(lambda: not held.rows and not held.waiting)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_frees_its_slots(start: Start, stream: bool) -> None:
    site = start(slots=2)
    scheduler = site.worker.scheduler
    slowed(site)
    body = json.dumps({"model": "bot", "messages": ASK, "n": 2, "stream": stream, "temperature": 0}).encode()
    host, port = site.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as line:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)
        assert site.until(lambda: len(scheduler.rows) == 2)
    assert site.until(lambda: scheduler.counts.cancelled == 1)
    assert not scheduler.rows
    (trace,) = traces(site, 1)
    assert (trace.status, trace.error_type) == ("error", "client_disconnected")
    assert 0 < (trace.usage.output_tokens or 0) < 200


def test_a_broker_that_is_away_for_the_whole_run_costs_nobody_anything(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    config = KafkaConfig(bootstrap_servers=f"127.0.0.1:{port}", connect_timeout_s=0.5)
    sinks = {"traces": KafkaSink(config, "llm.traces.v1"), "feedback": KafkaSink(config, "llm.feedback.v1")}
    site = start(sinks=sinks, trace_queue=8)
    with site.client() as client, ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(
                lambda seed: client.chat.completions.create(model="bot", messages=ASK, max_tokens=8, seed=seed),
                range(24),
            )
        )
    assert len({answer.id for answer in made}) == 24
    assert site.worker.traces is not None
    fates = site.worker.traces.fates
    assert fates["taken"] == 24
    assert fates["published"] == 0


def test_traces_and_feedback_arrive_at_a_real_broker(start: Start, kafka: Broker) -> None:
    config = prepared(kafka)
    config = replace(config, feedback_topic=f"{config.topic}.feedback")
    topics.ensure(config, partitions=1)
    site = start(sinks=sinks_for(Settings(kafka=config)))
    with site.client() as client:
        made = {
            client.chat.completions.create(model="bot", messages=ASK, max_tokens=4, seed=seed).id for seed in range(5)
        }
    httpx.post(f"{site.address}/v1/feedback", json={"id": min(made), "kind": "thumb", "value": "up"})
    records = read_all(config, config.topic, 5)
    (said,) = read_all(config, config.feedback_topic, 1)
    assert {record.key.decode() for record in records} == made
    assert dict(records[0].headers)["schema-version"] == b"1.0"
    assert said.key.decode() == min(made)
