"""What is added to requests, and that nothing else of them changes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.exchange import Operation
from monitor.model.trace import InputMessage, Part
from monitor.tap import Asked, Wants, read

ASK: list[Any] = [{"role": "user", "content": "Hi"}]


def understood(body: Any, operation: Operation = "chat", top: int = 5) -> Asked:
    found = read(operation, json.dumps(body).encode(), top=top)
    assert isinstance(found, Asked)
    return found


@pytest.mark.parametrize(
    ("asked", "added", "wants"),
    [
        ({}, {"logprobs": True, "top_logprobs": 5}, Wants(logprobs=False)),
        ({"logprobs": None}, {"logprobs": True, "top_logprobs": 5}, Wants(logprobs=False)),
        ({"logprobs": True}, {}, Wants()),
        ({"logprobs": True, "top_logprobs": 0}, {"top_logprobs": 5}, Wants(most=0)),
        ({"logprobs": True, "top_logprobs": 2}, {"top_logprobs": 5}, Wants(most=2)),
        ({"logprobs": True, "top_logprobs": 5}, {}, Wants()),
        ({"top_logprobs": 2}, {}, Wants()),
        ({"stream": True, "logprobs": True, "top_logprobs": 9}, {"stream_options": {"include_usage": True}},
         Wants(usage=False)),
        ({"stream": True, "stream_options": {"x": 1}, "logprobs": True, "top_logprobs": 9},
         {"stream_options": {"x": 1, "include_usage": True}}, Wants(usage=False)),
        ({"stream": True, "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 9}, {},
         Wants()),
    ],
)  # fmt: skip
def test_what_is_added_to_a_chat_is_noted_as_not_the_clients(asked: Any, added: Any, wants: Wants) -> None:
    body = {"model": "m", "messages": ASK, **asked}
    found = understood(body)
    assert json.loads(found.amended) == {**body, **added}
    assert json.loads(found.plain) == body
    assert found.wants == wants
    assert (found.amended is found.plain) == (not added)


@pytest.mark.parametrize(
    ("asked", "added"),
    [({}, {"logprobs": 5}), ({"logprobs": 0}, {}), ({"logprobs": 2}, {}), ({"echo": True}, {})],
)
def test_logprobs_of_a_completion_are_added_where_the_client_has_none_and_no_echo(asked: Any, added: Any) -> None:
    body = {"model": "m", "prompt": "a", **asked}
    assert json.loads(understood(body, "text_completion").amended) == {**body, **added}


def test_other_fields_keep_their_bytes() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"\\u00e9"}],"big":12345678901234567890123,"f":1.10}'
    found = read("chat", body, top=0)
    assert isinstance(found, Asked)
    assert found.amended == body[:-1] + b',"logprobs":true}'


def test_what_is_meant_for_us_is_read_and_taken_out() -> None:
    ours = {"context": ["a"], "trace": {"segment": {"tenant": "acme"}}}
    found = understood({"model": "m", "messages": ASK, "user": "u", "driftwarden": ours})
    assert b"driftwarden" not in found.plain + found.amended
    assert (found.segment.tenant, found.segment.user_id, list(found.extension.context)) == ("acme", "u", ["a"])


def test_what_is_not_ours_there_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `contxt`"):
        understood({"model": "m", "messages": ASK, "driftwarden": {"contxt": []}})


def test_pictures_are_told_by_their_type_alone_and_calls_with_their_arguments() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    found = understood({"model": "m", "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]})  # fmt: skip
    assert found.messages == [
        InputMessage("user", [Part(content="What is it?"), Part("image_url")]),
        InputMessage("assistant", [Part("tool_call", name="f", arguments="{}")]),
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"model": "m"', b'{"model": 1, "messages": []}', b'{"messages": []}', b'{"model": "m"}', b"\xff",
     b'{"model": "m", "messages": [{"content": "no role"}]}'],
)  # fmt: skip
def test_what_is_no_request_goes_as_it_came_for_the_upstream_to_refuse(body: bytes) -> None:
    assert read("chat", body, top=5) == body


def test_prompts_of_tokens_pass_untraced() -> None:
    assert isinstance(read("text_completion", b'{"model":"m","prompt":[1,2]}', top=5), bytes)


NAMES = st.sampled_from(["model", "messages", "stream", "n", "logprobs", "role", "content", "stream_options"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text()
THINGS = st.recursive(SCALARS, lambda each: st.lists(each) | st.dictionaries(NAMES, each), max_leaves=12)


@given(st.binary() | THINGS.map(lambda each: json.dumps(each).encode()))
def test_nothing_that_comes_makes_it_fail(body: bytes) -> None:
    found = read("chat", body, top=5)
    assert isinstance(found, Asked) or found == body
