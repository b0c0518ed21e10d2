"""What the tap does where the upstream, the client or the broker is not as it should be, and its own endpoints."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest

from monitor.codec import Limits
from monitor.codec.records import decode
from monitor.kafka import topics
from monitor.kafka.config import KafkaConfig
from monitor.kafka.sink import KafkaSink
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Record
from monitor.wiring.sending import sinks_of
from tests.conftest import Broker
from tests.kafka.support import prepared, read_all
from tests.web.tap.support import Call, Tapped, nobody, reply, speaking
from tests.web.worker.support import DEADLINE_S, Site, slowed, traces

ASK: list[Any] = [{"role": "user", "content": "Hi"}]
CHAT: dict[str, Any] = {"model": "bot", "messages": ASK, "max_tokens": 6}


def test_an_upstream_that_is_away_is_a_bad_gateway_and_a_trace_that_says_so(tapped: Tapped) -> None:
    address = nobody()
    site = tapped(address)
    with site.client() as client, pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(**CHAT)
    assert failed.value.status_code == 502
    assert failed.value.code == "upstream_unreachable"
    assert failed.value.message.startswith(f"Error code: 502 - the upstream {address} can't be reached")
    ready = httpx.get(f"{site.address}/readyz")
    assert ready.status_code == 503
    assert address in ready.json()["reason"]
    assert httpx.get(f"{site.address}/health").status_code == 502
    (trace,) = traces(site, 1)  # type: ignore[arg-type]
    assert (trace.status, trace.error_type) == ("error", "upstream_unreachable")
    assert trace.output_messages == []


def test_an_upstream_that_says_nothing_is_a_timeout(tapped: Tapped) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site = tapped(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        with site.client() as client, pytest.raises(openai.InternalServerError) as failed:
            client.chat.completions.create(**CHAT)
        (trace,) = traces(site, 1)  # type: ignore[arg-type]
    assert failed.value.status_code == 504
    assert "did not answer within 0.2 s" in failed.value.message
    assert trace.error_type == "upstream_timeout"


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_ends_it_at_the_upstream_too(worker: Site, tapped: Tapped, stream: bool) -> None:
    site = tapped(worker.address)
    scheduler, real = worker.worker.scheduler, worker.worker.scheduler.decoder
    cancelled, slow = scheduler.counts.cancelled, slowed(worker)
    try:
        body = json.dumps({**CHAT, "max_tokens": 200, "n": 2, "stream": stream, "temperature": 0}).encode()
        host, port = site.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as line:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            line.sendall(head.encode() + body)
            assert site.until(lambda: len(scheduler.rows) == 2)
            if stream:
                assert line.recv(4096)
        assert site.until(lambda: scheduler.counts.cancelled == cancelled + 1)
    finally:
        slow.set()
        scheduler.decoder = real
    (trace,) = traces(site, 1)  # type: ignore[arg-type]
    assert (trace.status, trace.error_type) == ("error", "client_disconnected")
    assert site.tap.desk.counts.requests["chat", "499"] == 1
    assert site.until(lambda: site.tap.desk.counts.under_way == 0)


def test_requests_reach_the_upstream_with_all_they_came_with_and_replies_the_client(tapped: Tapped) -> None:
    def say(call: Call, handler: Any) -> None:
        reply(handler, 418, b"\x00\xff short", X_Kept="1", Connection="x-dropped", X_Dropped="2", Date="then")

    with speaking(say) as upstream:
        site = tapped(f"{upstream.address}/v1/")
        answer = httpx.request(
            "DELETE", f"{site.address}/v1/files/a%2Fb?x=1&y=%20", content=b"\x01\x02",
            headers={"Authorization": "Bearer sk-1", "X-Own": "3", "Connection": "x-hop", "X-Hop": "4"},
        )  # fmt: skip
        (call,) = upstream.asked()
    assert (call.method, call.path, call.body) == ("DELETE", "/v1/files/a%2Fb?x=1&y=%20", b"\x01\x02")
    named = {name.lower(): value for name, value in call.headers.items()}
    assert (named["authorization"], named["x-own"], named["host"]) == ("Bearer sk-1", "3", upstream.address[7:])
    assert "x-hop" not in named
    assert answer.status_code == 418
    assert answer.content == b"\x00\xff short"
    assert (answer.headers["x-kept"], answer.headers.get_list("date")[-1]) == ("1", "then")
    assert "x-dropped" not in answer.headers


def test_what_is_meant_for_us_does_not_reach_the_upstream_and_must_be_ours(worker: Site, tapped: Tapped) -> None:
    def say(_call: Call, handler: Any) -> None:
        reply(handler, 200, {"id": "c1", "choices": [{"index": 0, "message": {"content": "yes"}}]})

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        for more in ({"context": ["a"]}, {"contxt": []}):
            answer = httpx.post(f"{site.address}/v1/chat/completions", json={**CHAT, "driftwarden": more})
        (call,) = upstream.asked()
    assert set(call.json) == {*CHAT, "logprobs", "top_logprobs"}
    assert answer.status_code == 400
    assert "contxt" in answer.json()["error"]["message"]


def test_nothing_is_added_to_what_is_not_traced(tapped: Tapped) -> None:
    def say(_call: Call, handler: Any) -> None:
        reply(handler, 200, {"id": "c1", "choices": [{"index": 0, "message": {"content": "yes"}}]})

    with speaking(say) as upstream:
        site, whole = tapped(upstream.address, trace_rate=1e-9), tapped(upstream.address)
        httpx.post(f"{site.address}/v1/chat/completions", json=CHAT)
        httpx.post(f"{whole.address}/v1/chat/completions", json=CHAT, headers={"X-Driftwarden-Traced": "false"})
        calls = upstream.asked()
    assert [call.json for call in calls] == [CHAT, CHAT]
    assert site.tap.desk.counts.untraced == {"rate": 1}
    assert whole.tap.desk.counts.untraced == {"asked for": 1}


def test_feedback_is_ours_and_needs_our_token_where_there_is_one(tapped: Tapped) -> None:
    site = tapped(nobody(), token="0123456789abcdef")
    said = {"id": "chatcmpl-1", "kind": "thumb", "value": "down"}
    key = {"authorization": "Bearer 0123456789abcdef"}
    stranger = httpx.post(f"{site.address}/v1/feedback", json=said)
    good = httpx.post(f"{site.address}/v1/feedback", json=said, headers=key)
    bad = httpx.post(f"{site.address}/v1/feedback", json={"id": "c", "kind": "stars"}, headers=key)
    assert site.until(lambda: len(site.feedback.published) == 1)
    assert [answer.status_code for answer in (stranger, good, bad)] == [401, 202, 400]
    assert site.feedback.published[0][0] == b"chatcmpl-1"
    assert httpx.get(f"{site.address}/metrics").status_code == 401
    assert httpx.get(f"{site.address}/livez").json() == {"live": True}


def test_metrics_and_readiness_say_what_passed(worker: Site, tapped: Tapped) -> None:
    site = tapped(worker.address)
    with site.client() as client:
        client.chat.completions.create(**CHAT)
    ready = httpx.get(f"{site.address}/readyz").json()
    found = httpx.get(f"{site.address}/metrics").text
    assert (ready["ready"], ready["models"], ready["upstream"]) == (True, ["bot"], worker.address)
    for line in (
        'driftwarden_tap_requests_total{operation="chat",status="200"} 1.0', "driftwarden_tap_upstream_up 1.0",
        'driftwarden_tap_traces_total{fate="taken"} 1.0',
    ):  # fmt: skip
        assert line in found
    assert 'gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="chat"' in found


def test_a_broker_that_is_away_costs_nobody_anything(worker: Site, tapped: Tapped) -> None:
    config = KafkaConfig(bootstrap_servers=nobody().removeprefix("http://"), connect_timeout_s=0.5)
    sinks = {"traces": KafkaSink(config, "llm.traces.v1"), "feedback": KafkaSink(config, "llm.feedback.v1")}
    site = tapped(worker.address, sinks=sinks, trace_queue=8)
    with site.client() as client, ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda seed: client.chat.completions.create(**CHAT, seed=seed), range(16)))
    assert len({answer.id for answer in made}) == 16
    assert site.tap.traces is not None
    assert site.tap.traces.fates["taken"] == 16
    assert site.tap.traces.fates["published"] == 0


def test_traces_and_feedback_arrive_at_a_real_broker(worker: Site, tapped: Tapped, kafka: Broker) -> None:
    from datetime import UTC, datetime

    config = prepared(kafka)
    config = replace(config, feedback_topic=f"{config.topic}.feedback")
    topics.ensure(config, partitions=1)
    site = tapped(worker.address, sinks=sinks_of(config))
    with site.client() as client:
        plain = client.completions.create(model="bot", prompt="abc", max_tokens=4).id
        chat = "".join({each.id for each in client.chat.completions.create(**CHAT, stream=True)})
    httpx.post(f"{site.address}/v1/feedback", json={"id": chat, "kind": "thumb", "value": "up"})
    records = read_all(config, config.topic, 2)
    (said,) = read_all(config, config.feedback_topic, 1)
    found = [
        decode(Record(Partition("t", 0), 0, each.value, dict(each.headers)), datetime.now(UTC), Limits())
        for each in records
    ]
    traced = [each.trace for each in found if isinstance(each, Decoded)]
    assert {trace.id for trace in traced} == {plain, chat}
    assert said.key.decode() == chat
    assert {trace.operation for trace in traced} == {"chat", "text_completion"}
    assert all(trace.logprobs is not None and trace.logprobs.top_k is not None for trace in traced)
