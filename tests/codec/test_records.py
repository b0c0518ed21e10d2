import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.codec import Limits, decode, decode_batch, json_schema
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Record, Reject
from monitor.model.trace import Trace

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LIMITS = Limits(record_bytes=20_000, field_characters=1000)
TRACE: dict[str, Any] = {
    "id": "t1",
    "schema_version": "1.0",
    "time": "2026-05-01T11:59:00Z",
    "model": {"name": "bot"},
    "output_messages": [{"parts": [{"content": "Yes."}]}],
    "prompt_text": "Is it?",
}


def record(value: bytes | dict[str, Any], **headers: bytes) -> Record:
    return Record(Partition("t", 0), 3, value if isinstance(value, bytes) else json.dumps(value).encode(), headers)


def told(**fields: Any) -> dict[str, Any]:
    return {**TRACE, **fields}


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in TRACE.items() if field != name}


def read(value: bytes | dict[str, Any], limits: Limits = LIMITS, **headers: bytes) -> Decoded:
    (found,), rejects = decode_batch([record(value, **headers)], NOW, limits)
    assert rejects == []
    return found


def refused(value: bytes | dict[str, Any], limits: Limits = LIMITS) -> tuple[str, str]:
    """The reason and the message of the reject, whose record must be the one that came."""
    came = record(value)
    decoded, (reject,) = decode_batch([came], NOW, limits)
    assert (decoded, reject.record) == ([], came)
    return reject.reason, reject.message


def vector(encoding: str, data: bytes, dim: int, **more: Any) -> dict[str, Any]:
    return {
        "target": "prompt",
        "model": "m",
        "dim": dim,
        "encoding": encoding,
        "data": b64encode(data).decode(),
        **more,
    }


def test_a_trace_is_read_and_its_bytes_are_kept() -> None:
    value = json.dumps(TRACE).encode()
    found = read(value)

    assert (found.trace.id, found.trace.time) == ("t1", datetime(2026, 5, 1, 11, 59, tzinfo=UTC))
    assert (found.body, dict(found.vectors)) == (value, {})


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (b"", "empty", "the record has no value"),
        (b"x" * 20_001, "too_large", "record: at most 20000 bytes, got 20001"),
        (b'{"id": ', "not_json", "Input data was truncated"),
        (b"plain words", "not_json", "JSON is malformed"),
        (b'"\xff\xfe"', "not_json", "'utf-8' codec can't decode byte 0xff in position 1"),
        (b"[]", "wrong_type", "Expected `object`, got `array`"),
        (without("id"), "missing_field", "Object missing required field `id`"),
        (without("model"), "missing_field", "Object missing required field `model`"),
        (told(model={}), "missing_field", "Object missing required field `name` - at `$.model`"),
        (without("prompt_text"), "missing_field", "one of input_messages and prompt_text must be there"),
        (told(id=""), "wrong_type", "Expected `str` of length >= 1 - at `$.id`"),
        (told(id="x" * 129), "wrong_type", "Expected `str` of length <= 128 - at `$.id`"),
        (told(id=7), "wrong_type", "Expected `str`, got `int` - at `$.id`"),
        (told(time="2026-05-01T11:59:00"), "wrong_type", "Expected `datetime` with a timezone component - at `$.time`"),
        (told(usage={"output_tokens": -1}), "wrong_type", "Expected `int` >= 0 - at `$.usage.output_tokens`"),
        (told(trace_id="0" * 31), "wrong_type", "Expected `str` matching regex"),
        (told(schema_version="2.0"), "unknown_schema_version", "schema_version: expected 1.x, got '2.0'"),
        (told(schema_version="1.x"), "unknown_schema_version", "schema_version: expected 1.x, got '1.x'"),
        ({"schema_version": "2.0"}, "unknown_schema_version", "schema_version: expected 1.x, got '2.0'"),
        (
            told(time="2026-05-01T13:00:01Z"),
            "time_out_of_range",
            "time: expected 2016-05-03T12:00Z to 2026-05-01T13:00Z, got 2026-05-01T13:00:01+00:00",
        ),
        (
            told(embeddings=[{"target": "prompt", "model": "m", "dim": 2, "encoding": "i8_b64", "data": "größe"}]),
            "bad_embedding",
            "Invalid base64 encoded string - at `$.embeddings[0].data`",
        ),
        (told(time="9999-12-31T23:59:59-12:00"), "time_out_of_range", "time: expected"),
        (told(time="0001-01-01T00:00:00Z"), "time_out_of_range", "time: expected"),
    ],
)
def test_a_record_that_is_no_trace_says_why(value: bytes | dict[str, Any], reason: str, message: str) -> None:
    found = refused(value)

    assert found[0] == reason
    assert found[1].startswith(message)


def test_a_new_major_version_is_told_before_what_it_changed() -> None:
    changed = told(schema_version="2.0", output_messages="now a string")

    assert refused(changed)[0] == "unknown_schema_version"
    assert read(told(schema_version="1.27")).trace.id == "t1"


def test_times_at_the_limits_are_taken() -> None:
    limits = Limits(max_age=timedelta(days=1), max_lead=timedelta(minutes=5))
    times = [NOW - timedelta(days=1), NOW + timedelta(minutes=5)]

    assert [read(told(time=time.isoformat()), limits).trace.time for time in times] == times
    for time in (times[0] - timedelta(microseconds=1), times[1] + timedelta(microseconds=1)):
        assert refused(told(time=time.isoformat()), limits)[0] == "time_out_of_range"


def test_unknown_fields_are_kept_at_every_depth() -> None:
    whole = told(
        novel={"deep": [1, {"x": "y"}]},
        model={"name": "bot", "flavour": "mint"},
        output_messages=[{"parts": [{"content": "Yes.", "mood": "sure"}], "mark": 7}],
        usage={"output_tokens": 3, "thoughts": 11},
        segment={"tenant": "acme", "floor": 2},
    )
    embedded = told(**whole, embeddings=[vector("f32le_b64", np.ones(2, "<f4").tobytes(), 2)])

    assert json.loads(read(whole).body) == whole
    assert json.loads(read(embedded).body) == whole


def test_nul_is_replaced_everywhere_and_flagged() -> None:
    whole = told(prompt_text="a\0b", novel={"in\0ner": ["x\0"]})
    found = read(whole)
    body = json.loads(found.body)

    assert found.trace.prompt_text == "a\ufffdb"
    assert (body["prompt_text"], body["novel"]) == ("a\ufffdb", {"in\ufffdner": ["x\ufffd"]})
    assert body["extra"] == {"driftwarden_altered": [".prompt_text", ".novel.in\ufffdner", ".novel.in\ufffdner[0]"]}
    assert found.trace.extra == body["extra"]


def test_an_oversized_field_is_cut_and_flagged_and_the_rest_is_kept() -> None:
    found = read(
        told(prompt_text="é" * 1001, extra={"mine": 1}, output_messages=[{"parts": [{"content": "x" * 1000}]}])
    )
    body = json.loads(found.body)

    assert found.trace.prompt_text == "é" * 1000
    assert body["extra"] == {"mine": 1, "driftwarden_altered": [".prompt_text"]}
    assert body["output_messages"] == [{"parts": [{"content": "x" * 1000}]}]


def test_a_long_record_of_short_fields_stays_as_it_came() -> None:
    value = json.dumps(told(novel=["x" * 100] * 20)).encode()

    assert read(value).body == value


def test_vectors_are_not_cut_and_not_stored_in_the_body() -> None:
    values = np.linspace(-1, 1, 800, dtype="<f4")
    found = read(told(embeddings=[vector("f32le_b64", values.tobytes(), 800, revision="r2")]))

    assert json.loads(found.body) == TRACE
    assert (found.vectors["prompt"].model, found.vectors["prompt"].revision) == ("m", "r2")
    assert np.array_equal(found.vectors["prompt"].values, values)


def test_a_trace_context_comes_from_the_headers_unless_the_trace_has_one() -> None:
    parent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    from_header = read(TRACE, traceparent=parent).trace
    own = read(told(trace_id="c" * 32), traceparent=parent).trace

    assert (from_header.trace_id, from_header.span_id) == ("a" * 32, "b" * 16)
    assert (own.trace_id, own.span_id) == ("c" * 32, None)
    assert read(TRACE, traceparent=b"00-nonsense").trace.trace_id is None


@pytest.mark.parametrize("broken", [b'"novel": "\x80"', b'"\xff": 1', b'"\\ud800": 1'])
@pytest.mark.parametrize("more", [{}, {"embeddings": [vector("i8_b64", b"\1", 1)]}])
def test_text_that_is_none_in_a_field_we_do_not_know_is_an_outcome_too(broken: bytes, more: dict[str, Any]) -> None:
    value = json.dumps(told(**more)).encode().removesuffix(b"}") + b", " + broken + b"}"
    decoded, rejects = decode_batch([record(value)], NOW, LIMITS)

    assert len(decoded) + len(rejects) == 1
    if b"\\ud800" not in broken:  # a lone surrogate is JSON; the database says what it thinks of it
        assert [reject.reason for reject in rejects] == ["not_json"]


def test_one_bad_record_costs_only_itself_and_order_is_kept() -> None:
    bad = told(id="bad", embeddings=[vector("f32le_b64", b"\0" * 4, 2)])
    values = [told(id="a"), b"nonsense", told(id="b"), bad, told(id="c")]
    decoded, rejects = decode_batch([record(value) for value in values], NOW, LIMITS)

    assert [item.trace.id for item in decoded] == ["a", "b", "c"]
    assert [reject.reason for reject in rejects] == ["not_json", "bad_embedding"]


def test_the_published_schema_names_what_must_be_there() -> None:
    schema = json_schema()
    definition = schema["$defs"]["Trace"]

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(definition["required"]) == {"id", "schema_version", "time", "model", "output_messages"}
    assert definition["anyOf"] == [{"required": ["input_messages"]}, {"required": ["prompt_text"]}]
    assert definition["properties"].keys() == {field.name for field in msgspec.structs.fields(Trace)}
    assert definition["properties"]["schema_version"] == {"type": "string", "pattern": r"^1\.\d+$"}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["f32le_b64", "i8_b64", "AAAA", "1.0", "2026-05-01T11:59:00Z", "user", "\0", "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [field.name for field in msgspec.structs.fields(Trace)]
WHOLE = told(
    input_messages=[{"role": "user", "parts": [{"content": "Is it?"}]}],
    segment={"tenant": "acme", "labels": {"team": "x"}},
    usage={"output_tokens": 2},
    logprobs={"logprob": [-0.1, -0.2], "top_k": {"k": 1, "token_ids": [[1], [2]], "logprob": [[-0.1], [-0.2]]}},
    embeddings=[vector("i8_b64", b"\1\2", 2, scale=0.5), vector("f16le_b64", b"\0\x3c\0\x3c", 2)],
    context=[{"id": "d1", "text": "It is."}],
)


def settled(value: bytes) -> Decoded | Reject:
    """The one outcome of a record, which ``decode`` by itself must not contradict."""
    came = Record(Partition("t", 0), 0, value, {})
    decoded, rejects = decode_batch([came], NOW, LIMITS)
    (outcome,) = [*decoded, *rejects]
    alone = decode(came, NOW, LIMITS)
    assert outcome.record == came
    assert isinstance(alone, Decoded) or isinstance(outcome, Reject)
    return outcome


def is_storable(item: Decoded) -> bool:
    """JSON of its own, with no NUL and no vectors."""
    body = json.loads(item.body)
    return isinstance(body, dict) and not body.get("embeddings") and "\\u0000" not in json.dumps(body)


@given(st.binary(max_size=200))
def test_any_bytes_end_as_a_reject(value: bytes) -> None:
    outcome = settled(value)

    assert isinstance(outcome, Reject)
    assert outcome.message


@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=6)), min_size=1, max_size=4))
def test_a_damaged_record_ends_as_one_thing_or_the_other(cuts: list[tuple[int, bytes]]) -> None:
    value = json.dumps(WHOLE).encode()
    for place, replacement in cuts:
        at = place % (len(value) + 1)
        value = value[:at] + replacement + value[at + len(replacement) :]
    outcome = settled(value)

    assert isinstance(outcome, Reject) or is_storable(outcome)


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), json_values, max_size=3))
def test_a_record_with_odd_values_ends_as_one_thing_or_the_other(fields: dict[str, Any]) -> None:
    outcome = settled(json.dumps({**WHOLE, **fields}).encode())

    assert isinstance(outcome, Reject) or is_storable(outcome)


@pytest.mark.parametrize("depth", [200, 5_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_ends_as_one_thing_or_the_other(depth: int, left: str, right: str) -> None:
    nested = left * depth + "1" + right * depth
    limits = Limits(record_bytes=2**20, field_characters=1000)
    for field in ("novel", "extra", "tools", "prompt_text"):
        value = json.dumps(told(**{field: "@"})).replace('"@"', nested).encode()
        decoded, rejects = decode_batch([record(value)], NOW, limits)

        assert len(decoded) + len(rejects) == 1
