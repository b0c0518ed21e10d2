"""What the official ``openai`` client sees through the tap is what it sees without, and each answer leaves a trace."""

import json
from itertools import chain
from typing import Any

import httpx
import openai
import pytest

from tests.web.tap.support import TapSite
from tests.web.worker.support import Site, traces

ASK: list[Any] = [{"role": "user", "content": "How long do refunds take?"}]
CHAT: dict[str, Any] = {"model": "bot", "messages": ASK, "max_tokens": 12, "seed": 5}
PLAIN: dict[str, Any] = {"model": "bot", "prompt": "abc", "max_tokens": 12, "seed": 5}


def same(answer: Any) -> Any:
    """An answer without what differs between any two."""
    return {name: value for name, value in answer.model_dump().items() if name not in ("id", "created")}


CHATS: list[dict[str, Any]] = [
    {},
    {"n": 3},
    {"logprobs": True},
    {"logprobs": True, "top_logprobs": 0},
    {"logprobs": True, "top_logprobs": 2, "n": 2},
    {"logprobs": True, "top_logprobs": 8},
    {"logprobs": False},
]
TEXTS: list[dict[str, Any]] = [{}, {"n": 2}, {"logprobs": 0}, {"logprobs": 3}, {"logprobs": 8}]


@pytest.mark.parametrize("asked", CHATS)
def test_a_chat_is_the_same_as_without_the_tap(client: openai.OpenAI, direct: openai.OpenAI, asked: Any) -> None:
    through, without = (each.chat.completions.create(**CHAT, **asked) for each in (client, direct))
    assert same(through) == same(without)


@pytest.mark.parametrize("asked", TEXTS)
def test_a_completion_is_the_same_as_without_the_tap(client: openai.OpenAI, direct: openai.OpenAI, asked: Any) -> None:
    assert same(client.completions.create(**PLAIN, **asked)) == same(direct.completions.create(**PLAIN, **asked))


@pytest.mark.parametrize("usage", [None, False, True])
@pytest.mark.parametrize("asked", CHATS)
def test_a_stream_is_the_same_as_without_the_tap(
    client: openai.OpenAI, direct: openai.OpenAI, asked: Any, usage: bool | None
) -> None:
    more = asked if usage is None else {**asked, "stream_options": {"include_usage": usage}}
    through, without = (
        [same(chunk) for chunk in each.chat.completions.create(**CHAT, **more, stream=True)]
        for each in (client, direct)
    )
    assert merged(through) == merged(without)


def merged(chunks: list[Any]) -> Any:
    """A stream by choice: its text, its tokens, its end; how tokens share chunks is the scheduler's business."""
    told: dict[int, list[Any]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            text, tokens, ends = told.setdefault(choice["index"], ["", [], []])
            text += choice["delta"]["content"] or ""
            tokens += (choice["logprobs"] or {}).get("content") or []
            ends += [choice["finish_reason"]] if choice["finish_reason"] else []
            told[choice["index"]] = [text, tokens, ends]
    last = [chunk["usage"] for chunk in chunks if not chunk["choices"]]
    frames = {json.dumps({**chunk, "choices": [], "usage": None}, sort_keys=True) for chunk in chunks}
    return told, last, frames


def test_a_stream_of_a_completion_is_the_same_as_without_the_tap(client: openai.OpenAI, direct: openai.OpenAI) -> None:
    for asked in ({}, {"logprobs": 2}):
        made = [
            [(choice.text, choice.logprobs and choice.logprobs.tokens) for chunk in stream for choice in chunk.choices]
            for stream in (each.completions.create(**PLAIN, **asked, stream=True) for each in (client, direct))
        ]
        texts = ["".join(text for text, _ in each) for each in made]
        tokens = [[token for _, each_tokens in each for token in each_tokens or []] for each in made]
        assert texts[0] == texts[1]
        assert tokens[0] == tokens[1]


def test_errors_of_the_upstream_are_those_that_are_given(shared: TapSite, worker: Site) -> None:
    bad: list[tuple[str, bytes]] = [
        ("/v1/chat/completions", json.dumps({**CHAT, "model": "gpt-4"}).encode()),
        ("/v1/chat/completions", b'{"model": "bot", '),
        ("/v1/chat/completions", json.dumps({**CHAT, "n": 99}).encode()),
        ("/v1/chat/completions", json.dumps({**CHAT, "top_logprobs": 2}).encode()),
        ("/v1/completions", json.dumps({"model": "bot", "prompt": ["a", "b"]}).encode()),
        ("/v1/nowhere", b"{}"),
    ]
    before = shared.tap.desk.counts.untraced["refused"]
    for path, content in bad:
        through, without = (
            httpx.post(f"{address}{path}", content=content) for address in (shared.address, worker.address)
        )
        assert through.status_code == without.status_code >= 400
        assert through.content == without.content
    assert shared.tap.desk.counts.untraced["refused"] == before + 4  # one was no JSON, one no request for generation


def test_other_paths_pass_through(shared: TapSite, client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list().data] == ["bot"]
    assert client.models.retrieve("bot").owned_by == "driftwarden"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_leaves_a_trace_with_logprobs_that_nobody_else_asked_for(worker: Site, streams: bool) -> None:
    from tests.web.tap.support import before

    extension = {
        "context": ["Refunds take five days.", {"id": "kb-2", "text": "Ask support.", "score": 0.7}],
        "trace": {"segment": {"tenant": "acme", "labels": {"plan": "pro"}}, "prompt_template": {"version": "3"}},
    }
    with before(worker.address) as site, site.client() as client:
        assert site.until(lambda: site.tap.desk.counts.up is True)
        made: Any = client.chat.completions.create(
            **CHAT, n=2, user="u1", stream=streams, extra_body={"driftwarden": extension},
            extra_headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        )  # fmt: skip
        if streams:
            chunks = list(made)
            ids = {chunk.id for chunk in chunks}
            text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == 0)
        else:
            ids, text = {made.id}, made.choices[0].message.content
        (trace,) = traces(site, 1)  # type: ignore[arg-type]
    (own,) = [each for each in traces(worker, len(worker.traces.published)) if each.id == trace.id]
    assert {trace.id, trace.response_id} == ids
    assert trace.output_messages == own.output_messages
    assert trace.output_messages[0].parts[0].content == text
    assert trace.input_messages == own.input_messages
    assert (trace.status, trace.segment.user_id, trace.tenant) == ("ok", "u1", "acme")
    assert (trace.trace_id, trace.parent_span_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert [document.id for document in trace.context] == ["0", "kb-2"]
    assert (trace.model.name, trace.model.provider) == ("bot", "driftwarden")
    assert (trace.model.revision or "").startswith("bot:fp32-")
    assert trace.usage == own.usage
    assert trace.samples == own.samples
    assert trace.logprobs is not None
    assert own.logprobs is not None
    assert trace.logprobs.tokens == own.logprobs.tokens
    assert trace.logprobs.byte_offsets == own.logprobs.byte_offsets
    assert trace.logprobs.logprob == pytest.approx(own.logprobs.logprob, abs=2e-6)
    assert trace.logprobs.top_k is not None
    assert own.logprobs.top_k is not None
    assert [len(row) for row in trace.logprobs.top_k.logprob] == [5] * len(trace.logprobs.tokens)
    best, own_best = (list(chain.from_iterable(each.logprob)) for each in (trace.logprobs.top_k, own.logprobs.top_k))
    assert best == pytest.approx(own_best, abs=2e-6)
    assert (trace.timing.ttft_s is not None) == streams
    assert (trace.timing.total_s or 0) > 0
