"""Servers as they are: what they say in pieces, leave out, refuse, and break off."""

import json
import threading
from typing import Any

import httpx
import openai
import pytest

from tests.web.tap.support import Call, Tapped, chunk, reply, speaking, start_stream, write
from tests.web.worker.support import DEADLINE_S, traces

ASK: list[Any] = [{"role": "user", "content": "Hi"}]
CHAT: dict[str, Any] = {"model": "bot", "messages": ASK, "max_tokens": 6}


def test_an_answer_that_breaks_off_breaks_off_for_the_client_and_is_a_trace(tapped: Tapped) -> None:
    def say(_call: Call, handler: Any) -> None:
        start_stream(handler)
        write(handler, chunk("half an "))
        handler.close_connection = True

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        heard: list[str] = []
        with site.client() as client, pytest.raises(openai.APIConnectionError):
            heard += (each.choices[0].delta.content for each in client.chat.completions.create(**CHAT, stream=True))
        (trace,) = traces(site, 1)  # type: ignore[arg-type]
    assert (trace.status, trace.error_type) == ("error", "upstream_broke_off")
    assert trace.output_messages[0].parts[0].content == "half an "
    assert site.tap.desk.counts.failures["broke_off"] == 1


def test_a_stream_that_falls_silent_breaks_off(tapped: Tapped) -> None:
    heard = threading.Event()

    def say(_call: Call, handler: Any) -> None:
        start_stream(handler)
        write(handler, chunk("half an "))
        heard.wait(DEADLINE_S)
        handler.close_connection = True

    with speaking(say) as upstream:
        site = tapped(upstream.address, timeout_s=0.2)
        with site.client() as client, pytest.raises(openai.APIConnectionError):
            list(client.chat.completions.create(**CHAT, stream=True))
        heard.set()
        (trace,) = traces(site, 1)  # type: ignore[arg-type]
    assert (trace.error_type, trace.output_messages[0].finish_reason) == ("upstream_timeout", "error")
    assert trace.output_messages[0].parts[0].content == "half an "


def test_a_stream_is_passed_on_as_it_comes_and_events_are_never_torn(tapped: Tapped) -> None:
    read = threading.Event()

    def say(_call: Call, handler: Any) -> None:
        start_stream(handler)
        write(handler, b": wait\n\n" + chunk("first"))
        assert read.wait(DEADLINE_S)  # the second is not written before the first was read at the other end
        second = chunk("zweitä", usage=None) + chunk("", choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2})
        for place in range(len(second)):
            write(handler, second[place : place + 1])
        write(handler, b"data: [DONE]\n\n")
        write(handler, b"")

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        with httpx.stream(
            "POST", f"{site.address}/v1/chat/completions", json={**CHAT, "stream": True}, timeout=DEADLINE_S
        ) as answer:
            parts = answer.iter_bytes()
            heard = b""
            while b"first" not in heard:
                heard += next(parts)
            read.set()
            heard += b"".join(parts)
        (trace,) = traces(site, 1)  # type: ignore[arg-type]
    events = heard.decode().split("\n\n")
    assert events[0] == ": wait"
    assert [json.loads(event[6:])["choices"][0]["delta"]["content"] for event in events[1:3]] == ["first", "zweitä"]
    assert "usage" not in json.loads(events[2][6:])
    assert events[3:] == ["data: [DONE]", ""]
    assert (trace.usage.input_tokens, trace.usage.output_tokens) == (3, 2)
    assert trace.output_messages[0].parts[0].content == "firstzweitä"


def test_a_prompt_each_of_a_request_of_several_is_a_trace(tapped: Tapped) -> None:
    def say(_call: Call, handler: Any) -> None:
        texts = ["a1", "a2", "b1", "b2"]
        reply(handler, 200, {"id": "cmpl-1", "choices": [{"index": i, "text": each} for i, each in enumerate(texts)]})

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        with site.client() as client:
            client.completions.create(model="m", prompt=["a", "b"], n=2)
        found = traces(site, 2)  # type: ignore[arg-type]
    assert [(trace.id, trace.prompt_text) for trace in found] == [("cmpl-1", "a"), ("cmpl-1-1", "b")]
    assert [trace.output_messages[0].parts[0].content for trace in found] == ["a1", "b1"]


def test_logprobs_are_left_out_for_a_server_that_does_so_once_a_stream_has_shown_it(tapped: Tapped) -> None:
    def say(call: Call, handler: Any) -> None:
        told = {"content": [{"token": "yes", "logprob": -0.1}]}
        if not call.json.get("stream"):
            message = {"content": "yes"}
            reply(handler, 200, {"id": "c", "choices": [{"index": 0, "message": message, "logprobs": told}]})
            return
        start_stream(handler)
        write(handler, chunk("", choices=[{"index": 0, "delta": {"role": "assistant"}}]))  # as llama.cpp begins
        write(handler, chunk("", choices=[{"index": 0, "delta": {"content": "yes"}, "logprobs": told}]))
        write(handler, b"data: [DONE]\n\n")
        write(handler, b"")

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        post = f"{site.address}/v1/chat/completions"
        before, stream, after = (httpx.post(post, json={**CHAT, "stream": each}) for each in (False, True, False))
        found = traces(site, 3)  # type: ignore[arg-type]
    assert before.json()["choices"][0]["logprobs"] is None
    assert b"logprobs" not in stream.content
    assert b"yes" in stream.content
    assert b"logprobs" not in after.content
    assert [trace.logprobs and trace.logprobs.tokens for trace in found] == [["yes"]] * 3


def test_a_call_of_a_tool_is_gathered_from_its_pieces(tapped: Tapped) -> None:
    calls = [
        {"index": 0, "id": "t1", "function": {"name": "refund", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"days"'}}, {"index": 0, "function": {"arguments": ": 5}"}},
    ]  # fmt: skip

    def say(_call: Call, handler: Any) -> None:
        start_stream(handler)
        for call in calls:
            write(handler, chunk("", choices=[{"index": 0, "delta": {"tool_calls": [call]}}]))
        write(handler, chunk("", choices=[{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]))
        write(handler, b"data: [DONE]\n\n")
        write(handler, b"")

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        with site.client() as client:
            list(client.chat.completions.create(**CHAT, stream=True))
        (trace,) = traces(site, 1)  # type: ignore[arg-type]
    (part,) = trace.output_messages[0].parts
    assert (part.type, part.name, part.arguments) == ("tool_call", "refund", '{"days": 5}')
    assert trace.output_messages[0].finish_reason == "tool_call"


def test_an_upstream_that_refuses_logprobs_is_asked_again_without_and_remembered(tapped: Tapped) -> None:
    def say(call: Call, handler: Any) -> None:
        if call.json["model"] == "m" and "logprobs" in call.json:
            told = "This server doesn't support logprobs. Please remove 'logprobs'/'top_logprobs' from your request."
            reply(handler, 400, {"error": {"message": told, "type": "BadRequestError", "param": None, "code": 400}})
        else:
            message = {"role": "assistant", "content": "yes"}
            reply(handler, 200, {"id": "c", "model": "m", "choices": [{"index": 0, "message": message}]})

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        with site.client() as client:
            said = [client.chat.completions.create(model="m", messages=ASK).choices[0].message.content for _ in "12"]
            client.chat.completions.create(model="other", messages=ASK)
            with pytest.raises(openai.BadRequestError, match="doesn't support logprobs"):
                client.chat.completions.create(model="m", messages=ASK, logprobs=True)
        asked = ["logprobs" in call.json for call in upstream.asked()]
        found = traces(site, 3)  # type: ignore[arg-type]
    assert said == ["yes", "yes"]
    assert asked == [True, False, False, True, True]
    assert site.tap.desk.counts.refusals == {"m": 1}
    assert [trace.logprobs for trace in found] == [None] * 3


def test_a_refusal_that_stays_one_without_our_additions_is_the_clients(tapped: Tapped) -> None:
    def say(call: Call, handler: Any) -> None:
        told = "logprobs: unexpected" if "logprobs" in call.json else "max_tokens: expected at most 4"
        reply(handler, 400, {"error": {"message": told}})

    with speaking(say) as upstream:
        site = tapped(upstream.address)
        with site.client() as client, pytest.raises(openai.BadRequestError, match="max_tokens: expected at most 4"):
            client.chat.completions.create(**CHAT)
    assert site.tap.desk.counts.refusals == {}
    assert site.traces.published == []
