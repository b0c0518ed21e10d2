from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from monitor.model.build import build_of
from monitor.model.texts import prompt_of, response_of
from monitor.model.trace import Trace

LEAST = {
    "id": "t1",
    "schema_version": "1.0",
    "time": "2026-05-01T12:00:00Z",
    "model": {"name": "bot"},
    "output_messages": [],
    "prompt_text": "?",
}


def trace(**fields: object) -> Trace:
    return msgspec.convert({**LEAST, **fields}, Trace, strict=False)


def built(**model: object) -> str:
    return build_of(trace(model={"name": "bot", **model}))


def said(text: str, role: str = "user") -> dict[str, object]:
    return {"role": role, "parts": [{"content": text}]}


def test_builds_never_change_their_names() -> None:
    """They are segments and keys of the database: a new name would be a new deployment to every user."""
    assert built() == "bot:be993d"
    assert built(precision="int8", revision="r1") == "bot:int8-8ac851"
    full = trace(
        model={
            "name": "bot",
            "version": "2",
            "revision": "r1",
            "precision": "int4",
            "quantization": {"method": "awq", "bits": 4, "group_size": 128},
            "adapter": {"name": "lora", "version": "7"},
            "distilled_from": "big",
            "pruning": {"sparsity": 0.5},
        },
        prompt_template={"name": "qa", "version": "3", "hash": "abc"},
    )
    assert build_of(full) == "bot:int4-7e5447"


@pytest.mark.parametrize(
    "other",
    [
        {"version": "2"},
        {"revision": "r2"},
        {"precision": "int8"},
        {"quantization": {"method": "awq"}},
        {"adapter": {"name": "lora"}},
        {"pruning": 0.5},
        {"distilled_from": "big"},
        {"name": "bot2"},
    ],
)
def test_whatever_makes_a_model_another_one_makes_another_build(other: dict[str, object]) -> None:
    assert built(**other) != built()


@pytest.mark.parametrize("same", [{"requested": "latest"}, {"provider": "cloud"}, {"engine": {"name": "vllm"}}])
def test_where_a_model_runs_makes_no_other_build(same: dict[str, object]) -> None:
    assert built(**same) == built()


def test_a_prompt_template_is_part_of_the_build() -> None:
    assert build_of(trace(prompt_template={"hash": "a"})) != build_of(trace(prompt_template={"hash": "b"}))


def test_the_prompt_is_the_text_else_the_last_words_of_the_user() -> None:
    talk = [said("one"), said("two", "assistant"), said("three"), said("four", "tool")]

    assert prompt_of(trace(input_messages=talk)) == "?"
    assert prompt_of(trace(input_messages=talk, prompt_text="")) == ""
    assert prompt_of(trace(input_messages=talk, prompt_text=None)) == "three"
    assert prompt_of(trace(input_messages=[said("s", "system"), said("d", "developer")], prompt_text=None)) == "d"
    assert prompt_of(trace(prompt_text=None)) == ""


def test_the_response_is_the_text_of_the_first_output_message() -> None:
    parts = [
        {"content": "One."},
        {"type": "reasoning", "content": "hidden"},
        {"text": "Two."},
        {"content": {"not": "text"}, "text": "Three."},
        {"content": ""},
        {"content": 7},
    ]

    assert (
        response_of(trace(output_messages=[{"parts": parts}, {"parts": [{"content": "other"}]}]))
        == "One.\nTwo.\nThree."
    )
    assert response_of(trace()) == ""


def test_the_key_is_tenant_id_and_the_same_instant_in_any_zone() -> None:
    one = trace(segment={"tenant": "acme"})
    other = trace(segment={"tenant": "acme"}, time="2026-05-01T14:00:00+02:00")

    assert one.key == other.key == ("acme", "t1", datetime(2026, 5, 1, 12, tzinfo=UTC))
    assert other.time.utcoffset() in (timedelta(hours=2), UTC.utcoffset(None))
    assert trace().key[0] == ""
