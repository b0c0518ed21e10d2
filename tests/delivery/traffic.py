"""What producers send: traces with vectors of their own, and every way in which a record can be wrong."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

MODEL, DIMENSION = "test-encoder", 384
TENANTS = ("acme", "zeta", "umbra")
TOPICS = ("billing", "shipping", "returns", "accounts", "weather")
# Larger than the 4 MiB that a record may have, smaller than what the topic takes.
LARGE_BYTES = 5 * 2**20
PASSAGES = [
    {"id": "weather", "text": "Sydney is sunny in May."},
    {"id": "bridge", "text": "The harbour bridge opened in 1932 and carries eight lanes."},
]
ANSWER = "The harbour bridge opened in 1932. Its paint was chosen by Leonardo Vespucci."
KIND = "kind"
GOOD, BAD = b"good", b"bad"


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as a producer sends it; the header ``kind`` says what it is, for those who count."""

    key: bytes
    value: bytes
    headers: Mapping[str, bytes]


def embedding(target: str, values: np.ndarray[Any, Any], **changes: Any) -> dict[str, Any]:
    data = base64.b64encode(values.astype("<f2").tobytes()).decode()
    whole = {"target": target, "model": MODEL, "dim": DIMENSION, "encoding": "f16le_b64", "data": data}
    return {**whole, **changes}


class Traffic:
    """Traces numbered from 0, a second each from ``start`` on; the same seed gives the same ones."""

    def __init__(self, start: datetime, *, seed: int = 0) -> None:
        self.start, self.seed = start.astimezone(UTC), seed

    def fields(self, number: int) -> dict[str, Any]:
        """The record of one trace as plain values."""
        generator = np.random.default_rng([self.seed, number])
        about = TOPICS[number % len(TOPICS)]
        length = int(generator.integers(3, 20))
        vectors = generator.normal(0, DIMENSION**-0.5, (2, DIMENSION))
        return {
            "id": f"t{number}",
            "schema_version": "1.0",
            "time": (self.start + timedelta(seconds=number)).isoformat(),
            "model": {"name": "bot", "precision": "fp16" if number % 4 else "int8"},
            "prompt_text": f"What about {about}, case {number}?",
            "output_messages": [
                {"parts": [{"content": f"{about.title()} is settled. " * length}], "finish_reason": "stop"}
            ],
            "segment": {"tenant": TENANTS[number % len(TENANTS)]},
            "usage": {"input_tokens": 12 + number % 7, "output_tokens": 4 * length},
            "timing": {"total_s": float(generator.gamma(2.0, 0.2))},
            "embeddings": [embedding("prompt", vectors[0]), embedding("response", vectors[1])],
        }

    def good(self, number: int) -> Sent:
        return Sent(b"t%d" % number, msgspec.json.encode(self.fields(number)), {KIND: GOOD})

    def bad(self, kind: str, number: int) -> Sent:
        """A record that must become a reject; ``number`` makes it a record of its own."""
        fields = {**self.fields(number), "id": f"{kind}-{number}"}
        return Sent(b"b%d" % number, MALFORMED[kind].make(fields), {KIND: BAD, "wrong": kind.encode()})

    def with_nul(self, number: int) -> Sent:
        """A good trace whose texts hold NUL, which Postgres stores in no text."""
        fields = self.fields(number)
        fields["prompt_text"] += "\0 and more"
        fields["extra"] = {"note": "a\0b"}
        return Sent(b"t%d" % number, msgspec.json.encode(fields), {KIND: GOOD})

    def grounded(self, number: int) -> Sent:
        """A good trace with passages, which do not hold its last sentence."""
        fields = self.fields(number) | {"context": PASSAGES, "prompt_text": "When did the bridge open?"}
        fields["output_messages"] = [{"parts": [{"content": ANSWER}], "finish_reason": "stop"}]
        return Sent(b"t%d" % number, msgspec.json.encode(fields), {KIND: GOOD})


@dataclass(frozen=True, slots=True)
class Malformed:
    """A way to be wrong: the reason it is rejected for, and how the record is made of a good one's fields."""

    reason: str
    make: Any


def changed(**changes: Any) -> Any:
    return lambda fields: msgspec.json.encode({**fields, **changes})


def without(name: str) -> Any:
    return lambda fields: msgspec.json.encode({key: value for key, value in fields.items() if key != name})


def with_raw(text: bytes) -> Any:
    """An unknown field whose JSON is ``text``."""
    return lambda fields: msgspec.json.encode({**fields, "unheard_of": msgspec.Raw(text)})


def with_vector(dimension: int = DIMENSION, value: float = 0.5, **changes: Any) -> Any:
    return lambda fields: msgspec.json.encode(
        {**fields, "embeddings": [embedding("prompt", np.full(dimension, value), **changes)]}
    )


MALFORMED: Mapping[str, Malformed] = {
    "not JSON": Malformed("not_json", lambda fields: b'{"id": "%s", ' % fields["id"].encode()),
    "no object": Malformed("wrong_type", lambda fields: msgspec.json.encode([fields["id"]])),
    "wrong type": Malformed("wrong_type", changed(model="bot")),
    "missing field": Malformed("missing_field", without("model")),
    "no prompt": Malformed("missing_field", without("prompt_text")),
    "wrong dimension": Malformed("bad_embedding", with_vector(DIMENSION - 1)),
    "bad base64": Malformed("bad_embedding", with_vector(data="!" * 1024)),
    "NaN in a vector": Malformed("bad_embedding", with_vector(value=float("nan"))),
    "time in 1970": Malformed("time_out_of_range", changed(time="1970-01-01T00:00:00Z")),
    "time in 2099": Malformed("time_out_of_range", changed(time="2099-01-01T00:00:00Z")),
    "unknown version": Malformed("unknown_schema_version", changed(schema_version="2.0")),
    "empty": Malformed("empty", lambda _fields: b""),
    "not UTF-8": Malformed("not_json", lambda fields: changed(prompt_text="@@")(fields).replace(b"@@", b"\xff\xfe")),
    "not UTF-8, unknown field": Malformed("not_json", with_raw(b'"\xff\xfe"')),
    "number too large": Malformed("unstorable", with_raw(b"1e400000")),
    "lone surrogate": Malformed("not_json", with_raw(b'"\\ud800 and text"')),
    "count too large": Malformed("wrong_type", changed(usage={"output_tokens": msgspec.Raw(b"9" * 400)})),
    "nested too deep": Malformed("not_json", with_raw(b"[" * 100_000 + b"]" * 100_000)),
    "too large": Malformed("too_large", changed(prompt_text="x" * LARGE_BYTES)),
}
