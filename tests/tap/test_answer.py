"""Answers as they are gathered, and replies as they are stripped."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitor.tap import Answer, Wants, stripped
from monitor.tap.events import Events, data_of
from monitor.tap.replies import reply_of


def token(text: str, logprob: float, best: list[float], spelt: bytes | None = None) -> dict[str, Any]:
    top = [{"token": "x", "logprob": each, "bytes": [120]} for each in best]
    return {"token": text, "logprob": logprob, "bytes": list(spelt or text.encode()), "top_logprobs": top}


def gathered(*choices: Any, top: int = 5) -> Answer:
    answer = Answer(top)
    for choice in choices:
        reply = reply_of(json.dumps({"choices": [choice]}).encode())
        assert reply is not None
        answer.add(reply.choices[0])
    return answer


def test_columns_hold_each_token_with_its_place_and_its_best_alternatives() -> None:
    told = [token("é", -0.1, [-0.1, -3.0, -2.0], None), token("x", -0.2, [-0.2])]
    columns = gathered(
        {"delta": {"content": "é"}, "logprobs": {"content": told[:1]}},
        {"delta": {"content": "x"}, "logprobs": {"content": told[1:]}, "finish_reason": "stop"},
        top=2,
    ).columns("raw")
    assert columns is not None
    assert (columns.tokens, columns.byte_offsets, columns.logprob) == (["é", "x"], [0, 2], [-0.1, -0.2])
    assert columns.top_k is not None
    assert columns.top_k.logprob == [[-0.1, -2.0], [-0.2]]


def test_a_character_in_two_tokens_is_placed_by_its_bytes() -> None:
    told = [token("�", -0.1, [], b"\xc3"), token("�", -0.2, [], b"\xa9"), token("!", -0.3, [])]
    columns = gathered({"message": {"content": "é!"}, "logprobs": {"content": told}}).columns("raw")
    assert columns is not None
    assert columns.byte_offsets == [0, 1, 2]


def test_tokens_that_are_not_the_answer_have_no_places_in_it() -> None:
    columns = gathered({"message": {"content": "so"}, "logprobs": {"content": [token("think", -1, [])]}}).columns("raw")
    assert columns is not None
    assert (columns.tokens, columns.byte_offsets) == (["think"], [])


def test_columns_of_completions_are_read_too() -> None:
    told = {"tokens": ["a", "b"], "token_logprobs": [None, -0.5], "top_logprobs": [None, {"b": -0.5, "c": -1.5}]}
    columns = gathered({"text": "ab", "logprobs": told}).columns("post_temperature")
    assert columns is not None
    assert (columns.source, columns.tokens, columns.logprob) == ("post_temperature", ["b"], [-0.5])
    assert columns.top_k is not None
    assert columns.top_k.logprob == [[-0.5, -1.5]]


def test_logprobs_of_others_than_the_client_are_null_and_the_rest_keeps_its_bytes() -> None:
    reply = b'{"id":"\\u00e9","n":1e2,"choices":[{"index":0,"logprobs":{"content":[]},"text":"\\n"}],"usage":{"a":1}}'
    assert stripped(reply, Wants(logprobs=False)) == reply.replace(b'{"content":[]}', b"null")
    assert stripped(reply, Wants()) == reply


def test_alternatives_over_those_asked_for_are_dropped() -> None:
    told = {"content": [token("a", -0.1, [-0.1, -2.0, -3.0])], "refusal": None}
    content = json.dumps({"choices": [{"logprobs": told}, {"logprobs": None}]}).encode()
    (first, second) = json.loads(stripped(content, Wants(most=1)) or b"")["choices"]
    assert [each["logprob"] for each in first["logprobs"]["content"][0]["top_logprobs"]] == [-0.1]
    assert first["logprobs"]["refusal"] is second["logprobs"] is None


def test_the_chunk_of_the_usage_is_dropped_where_nobody_asked_for_it() -> None:
    wants = Wants(usage=False)
    assert stripped(b'{"choices": [ ], "usage": {"a": 1}}', wants, chunk=True) is None
    assert stripped(b'{"choices":[{"index":0}],"usage":null}', wants, chunk=True) == b'{"choices":[{"index":0}]}'
    assert stripped(b'{"choices":[{"text":"a"}],"usage":{"a":1}}', wants, chunk=True) is not None
    idle = b'{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}],"usage":{"a":1}}'
    assert stripped(idle, wants, chunk=True) is None  # as LiteLLM sends it
    end = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"a":1}}'
    assert stripped(end, wants, chunk=True) == end  # told whether asked for or not
    assert stripped(b'{"error":{"message":"no"}}', wants, chunk=True) == b'{"error":{"message":"no"}}'


@given(st.lists(st.sampled_from([b"data: a\n\n", b": c\r\n\r\n", b"data: \xc3\xa9\n\n", b"event: x\ndata: y\n\n"])),
       st.data())  # fmt: skip
def test_events_come_whole_however_the_bytes_are_cut(events: list[bytes], data: st.DataObject) -> None:
    whole, found, place = b"".join(events), Events(), 0
    heard: list[bytes] = []
    while place < len(whole):
        size = data.draw(st.integers(1, len(whole) - place))
        heard += found.feed(whole[place : place + size])
        place += size
    assert heard == events
    assert found.rest == b""


def test_what_an_event_says() -> None:
    assert data_of(b"data: [DONE]\r\n\r\n") == b"[DONE]"
    assert data_of(b"event: x\ndata: y\n\n") is None
