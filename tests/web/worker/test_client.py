"""The worker as users of the official ``openai`` client meet it."""

import math
from typing import Any

import numpy as np
import openai
import pytest

from monitor.inference.decoder.seeded import Shape, byte_tokenizer, seeded_weights
from tests.inference.decoder.reference import logprobs
from tests.web.worker.support import Site

ASK: list[Any] = [{"role": "user", "content": "How long do refunds take?"}]
PROMPT = byte_tokenizer().encode("<|user|>How long do refunds take?<|end|><|assistant|>").ids


def test_a_chat_is_answered(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="bot", messages=ASK, max_tokens=12, temperature=0)
    (choice,) = answer.choices
    assert (choice.message.role, choice.finish_reason, answer.object) == ("assistant", "length", "chat.completion")
    assert choice.message.content
    assert choice.logprobs is None
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (len(PROMPT), 12)
    assert (answer.system_fingerprint or "").startswith("bot:fp32-")


def test_logprobs_are_those_of_the_reference(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="bot", messages=ASK, max_tokens=20, seed=11, temperature=1.3, logprobs=True, top_logprobs=20
    )
    told = answer.choices[0].logprobs
    assert told is not None
    assert told.content is not None
    shape = Shape()
    ids = [token_id(bytes(each.bytes or [])) for each in told.content]
    whole = logprobs(PROMPT + ids, shape, seeded_weights(shape))[len(PROMPT) - 1 : -1]
    best = -np.sort(-whole, axis=-1)[:, :20]
    assert max(abs(whole[place, ids[place]] - each.logprob) for place, each in enumerate(told.content)) <= 1e-5
    assert np.abs(best - [[top.logprob for top in each.top_logprobs] for each in told.content]).max() <= 1e-5
    assert answer.model_extra is not None
    assert answer.model_extra["driftwarden"] == {"logprobs": "raw, before temperature"}


def token_id(spelt: bytes) -> int:
    letters = byte_tokenizer().encode(spelt.decode("latin-1")).ids if spelt[0] < 128 else None
    if letters is not None:
        return letters[0]
    from monitor.inference.decoder.vocabulary import byte_letters

    letter = next(letter for letter, byte in byte_letters().items() if byte == spelt[0])
    return int(byte_tokenizer().token_to_id(letter))


def test_a_stream_is_the_answer_in_pieces(client: openai.OpenAI) -> None:
    fields: dict[str, Any] = {
        "model": "bot", "messages": ASK, "max_tokens": 30, "seed": 5, "n": 3, "logprobs": True, "top_logprobs": 2,
    }  # fmt: skip
    whole = client.chat.completions.create(**fields)
    chunks = list(client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    texts, tokens, ends = [""] * 3, [0] * 3, [""] * 3
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            tokens[choice.index] += len(choice.logprobs.content or []) if choice.logprobs else 0
            ends[choice.index] = choice.finish_reason or ends[choice.index]
    assert texts == [choice.message.content for choice in whole.choices]
    assert tokens == [len(choice.logprobs.content or []) for choice in whole.choices if choice.logprobs]
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_a_seed_repeats_and_no_seed_does_not(client: openai.OpenAI) -> None:
    def said(**fields: Any) -> str | None:
        answer = client.chat.completions.create(model="bot", messages=ASK, max_tokens=40, **fields)
        return answer.choices[0].message.content

    assert said(seed=1) == said(seed=1) != said(seed=2)
    assert said() != said()


def test_choices_differ_and_each_is_numbered(client: openai.OpenAI, site: Site) -> None:
    before = site.worker.scheduler.counts.prompts
    answer = client.chat.completions.create(model="bot", messages=ASK, max_tokens=16, n=4)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in answer.choices}) == 4
    assert site.worker.scheduler.counts.prompts == before + 1


def test_a_stop_text_ends_the_answer(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="bot", prompt="abc", max_tokens=40, temperature=0).choices[0].text
    place = next(i for i in range(5, 35) if "�" not in whole[i : i + 2])
    stop = whole[place : place + 2]
    for stream in (False, True):
        made: Any = client.completions.create(
            model="bot", prompt="abc", max_tokens=40, temperature=0, stop=[stop, "never"], stream=stream
        )
        said = "".join(chunk.choices[0].text for chunk in made) if stream else made.choices[0].text
        assert said == whole[: whole.find(stop)]


def test_completions_take_texts_and_tokens(client: openai.OpenAI) -> None:
    by_text = client.completions.create(model="bot", prompt="abc", max_tokens=8, temperature=0, logprobs=3)
    ids = byte_tokenizer().encode("abc").ids
    by_tokens = client.completions.create(model="bot", prompt=ids, max_tokens=8, temperature=0)
    told = by_text.choices[0].logprobs
    assert by_text.choices[0].text == by_tokens.choices[0].text
    assert told is not None
    assert told.tokens is not None
    assert len(told.tokens) == len(told.token_logprobs or []) == len(told.text_offset or []) == 8
    assert all(1 <= len(best) <= 3 for best in told.top_logprobs or [])
    assert all(value is not None and math.isfinite(value) for value in told.token_logprobs or [])


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list().data] == ["bot"]
    assert client.models.retrieve("bot").owned_by == "driftwarden"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


BAD: list[tuple[dict[str, Any], int, str | None, str | None, str]] = [
    ({"model": "gpt-4"}, 404, "model", "model_not_found", "The model `gpt-4` does not exist"),
    ({"messages": [{"role": "user", "content": "x" * 500}]}, 400, "messages", "context_length_exceeded", "256 tokens"),
    ({"max_tokens": 300}, 400, "messages", "context_length_exceeded", "256 tokens"),
    ({"n": 9}, 400, "n", None, "n: expected at most 8, got 9"),
    ({"n": 0}, 400, "n", None, "n: Expected `int` >= 1, got 0"),
    ({"temperature": 2.5}, 400, "temperature", None, "got 2.5"),
    ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs", None, "got 21"),
    ({"top_logprobs": 2}, 400, "top_logprobs", None, "expected logprobs"),
    ({"messages": []}, 400, "messages", None, "messages: Expected `array` of length >= 1"),
    ({"stop": ["a", "b", "c", "d", "e"]}, 400, "stop", None, "stop: expected at most 4 texts, got 5"),
    ({"presence_penalty": 1.0}, 400, "presence_penalty", "unsupported_parameter", "does not support it"),
    ({"response_format": {"type": "json_object"}}, 400, "response_format", "unsupported_parameter", "not support"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
        400, "messages[0].content", None, "expected parts of type text, got 'image_url'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "status", "param", "code", "text"), BAD)
def test_what_can_not_be_answered_is_an_error_object(
    client: openai.OpenAI, fields: dict[str, Any], status: int, param: str | None, code: str | None, text: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**{"model": "bot", "messages": ASK, "max_tokens": 4, **fields})
    error: Any = refused.value
    assert (error.status_code, error.param, error.code) == (status, param, code)
    assert error.type == "invalid_request_error"
    assert text in error.message


def test_two_prompts_in_one_request_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="expected one prompt a request, got 2"):
        client.completions.create(model="bot", prompt=["a", "b"])
    with pytest.raises(openai.BadRequestError, match="expected tokens below 260, got 9999"):
        client.completions.create(model="bot", prompt=[9999])
