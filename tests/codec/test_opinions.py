import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.codec import decode_opinions
from monitor.model.record import Partition, Record
from tests.stores import START


def record(value: bytes) -> Record:
    return Record(Partition("llm.feedback.v1", 0), 0, value, {})


def said(**fields: Any) -> bytes:
    return json.dumps({"id": "t1", "kind": "thumb", "value": "down", **fields}).encode()


def test_feedback_is_of_the_trace_it_names_and_of_when_it_came() -> None:
    ((found,), rejects) = decode_opinions([record(said(tenant="acme", source="ui", comment="a\0b", more=1))], START)
    assert rejects == []
    assert (found.tenant, found.id, found.source, found.at, found.bad) == ("acme", "t1", "ui", START, True)
    assert found.comment == "a\ufffdb"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"{", "not_json"),
        (b'{"id": "t1", "kind": "thumb", "comment": "\xff"}', "not_json"),
        (b'{"kind": "thumb"}', "missing_field"),
        (said(kind="applause"), "wrong_type"),
        (said(time="2090-05-01T12:00:00"), "wrong_type"),  # without a zone
        (said(schema_version="2.0"), "unknown_schema_version"),
        (b'{"id": "t1", "kind": "thumb", "comment": "' + b"a" * 2**20 + b'"}', "too_large"),
    ],
)
def test_what_is_no_feedback_is_a_reject_with_a_reason(value: bytes, reason: str) -> None:
    opinions, (reject,) = decode_opinions([record(value)], START)
    assert (opinions, reject.reason) == ([], reason)


@given(st.binary(max_size=60))
def test_any_bytes_are_feedback_or_a_reject(value: bytes) -> None:
    opinions, rejects = decode_opinions([record(value)], START)
    assert len(opinions) + len(rejects) == 1
