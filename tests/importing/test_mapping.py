from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from monitor.errors import Permanent
from monitor.importing import Imported, Mapping, Options, Row, RowError, records
from monitor.importing.converting import Calendar
from monitor.model.texts import prompt_of, response_of
from monitor.model.trace import Trace

BASE = ["prompt=q", "response=a", "model='bot'"]


def one(values: dict[str, Any], maps: list[str], options: Options) -> Trace:
    (made,) = records([Row(1, values)], Mapping.parse(maps), options)
    assert isinstance(made, Imported), made
    return msgspec.json.decode(made.value, type=Trace)


def error(values: dict[str, Any], maps: list[str], options: Options) -> str:
    (made,) = records([Row(1, values)], Mapping.parse(maps), options)
    assert isinstance(made, RowError), made
    return made.message


def test_a_row_of_the_llm_drift_set_becomes_this_record(options: Options) -> None:
    row = {
        "model": "openaichat/gpt-4-0314", "query": 'A "quoted"\nquestion, 日本', "answer": "(A)", "answer_token": "4",
        "latency": "0.3257", "date": "20230716", "id": "OPTIMIST_W41", "temperature": "0.1",
    }  # fmt: skip
    maps = [
        "prompt=query", "response=answer", "model.name=model", "usage.output_tokens=answer_token", "time=date",
        "segment.tenant='acme'", "id=@row", "timing.total_s=latency", "labels.question=id", "temperature=temperature",
    ]  # fmt: skip
    options = Options(options.file, options.now, options.start, calendar=Calendar(UTC))
    (made,) = records([Row(7, row)], Mapping.parse(maps), options)
    assert isinstance(made, Imported)
    assert made.key == b"7"
    assert msgspec.json.decode(made.value) == {
        "id": "7", "schema_version": "1.0", "time": "2023-07-16T00:00:00Z",
        "model": {"name": "openaichat/gpt-4-0314"},
        "input_messages": [{"role": "user", "parts": [{"content": 'A "quoted"\nquestion, 日本'}]}],
        "output_messages": [{"parts": [{"content": "(A)"}]}],
        "segment": {"tenant": "acme", "labels": {"question": "OPTIMIST_W41"}},
        "request": {"temperature": 0.1}, "usage": {"output_tokens": 4}, "timing": {"total_s": 0.3257},
    }  # fmt: skip


def test_a_row_of_a_retrieval_log_becomes_messages_documents_and_samples(options: Options) -> None:
    row = {
        "chat": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"}], "a": "Hi.",
        "docs": [{"id": 4, "content": "one", "score": 0.5}, "two"], "alternatives": '["Hi!", "Hello."]',
        "lp": [-0.1, -2.0], "stop": "max_tokens",
    }  # fmt: skip
    maps = [
        "messages=chat", "response=a", "model='bot'", "context=docs", "samples=alternatives", "logprobs=lp",
        "finish_reason=stop", "extra.row=@row",
    ]  # fmt: skip
    trace = one(row, maps, options)
    assert (prompt_of(trace), response_of(trace)) == ("Hello?", "Hi.")
    assert [(d.id, d.text, d.score) for d in trace.context] == [("4", "one", 0.5), ("2", "two", None)]
    assert [sample.text for sample in trace.samples] == ["Hi!", "Hello."]
    assert trace.logprobs is not None
    assert trace.logprobs.logprob == [-0.1, -2.0]
    assert (trace.output_messages[0].finish_reason, trace.extra) == ("length", {"row": "1"})


@pytest.mark.parametrize(
    ("given", "documents"),
    [
        ("one text", [("1", "one text")]),
        ('["a", "b"]', [("1", "a"), ("2", "b")]),
        ({"faq": "a", "terms": "b"}, [("faq", "a"), ("terms", "b")]),
        ([{"doc_id": "x", "page_content": "a"}], [("x", "a")]),
        ("[not json", [("1", "[not json")]),
    ],
)
def test_passages_come_as_a_text_a_list_or_an_object(
    options: Options, given: Any, documents: list[tuple[str, str]]
) -> None:
    trace = one({"q": "q", "a": "a", "c": given}, [*BASE, "context=c"], options)
    assert [(document.id, document.text) for document in trace.context] == documents


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ("2023-07-16T10:00:00Z", datetime(2023, 7, 16, 10, tzinfo=UTC)),
        ("2023-07-16 10:00:00", datetime(2023, 7, 16, 8, tzinfo=UTC)),
        ("2023-07-16", datetime(2023, 7, 15, 22, tzinfo=UTC)),
        (20230716, datetime(2023, 7, 15, 22, tzinfo=UTC)),
        (1689501600, datetime(2023, 7, 16, 10, tzinfo=UTC)),
        ("1689501600000", datetime(2023, 7, 16, 10, tzinfo=UTC)),
        (1689501600123456789, datetime(2023, 7, 16, 10, 0, 0, 123457, tzinfo=UTC)),
        (datetime(2023, 7, 16, 10, tzinfo=UTC), datetime(2023, 7, 16, 10, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_their_usual_spellings(options: Options, given: Any, instant: datetime) -> None:
    berlin = Options(options.file, options.now, options.start, calendar=Calendar(ZoneInfo("Europe/Berlin")))
    assert one({"q": "q", "a": "a", "t": given}, [*BASE, "time=t"], berlin).time == instant


def test_a_time_format_reads_what_iso_does_not(options: Options) -> None:
    calendar = Calendar(UTC, "%m/%d/%Y, %H:%M:%S")
    patterned = Options(options.file, options.now, options.start, calendar=calendar)
    trace = one({"q": "q", "a": "a", "t": "07/26/2023, 21:03:32"}, [*BASE, "time=t"], patterned)
    assert trace.time == datetime(2023, 7, 26, 21, 3, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        ("usage.output_tokens=x", "four", "usage.output_tokens from x: expected a whole number, got 'four'"),
        ("usage.output_tokens=x", -1, "usage.output_tokens from x: expected a whole number >= 0, got '-1'"),
        ("timing.total_s=x", "inf", "timing.total_s from x: expected a finite number, got 'inf'"),
        ("time=x", "2023-07-16 10:00", "time from x: '2023-07-16 10:00' names no time zone; say which with --timezone"),
        ("time=x", "last week", "time from x: expected a date or time, got 'last week'"),
        ("time=x", "2001-01-01T00:00Z", "time: expected 2016-01-04T00:00Z to 2026-01-01T01:00Z, got 2001"),
        ("finish_reason=x", "bored", "Invalid enum value 'bored' - at `$.output_messages[0].finish_reason`"),
        ("context=x", [{"name": "n"}], "context from x: passage 1: expected a text in 'text' or 'content', got 'name'"),
        ("id=x", "i" * 129, "Expected `str` of length <= 128 - at `$.id`"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_field(
    options: Options, rule: str, value: Any, message: str
) -> None:
    assert error({"q": "q", "a": "a", "x": value}, [*BASE, rule], options).startswith(message)


def test_an_empty_answer_is_an_answer_and_a_missing_one_an_error(options: Options) -> None:
    assert response_of(one({"q": "q", "a": ""}, BASE, options)) == ""
    assert error({"q": "q"}, BASE, options) == "response from a: the row has none"


def test_missing_numbers_are_left_out_and_whole_floats_are_integers(options: Options) -> None:
    maps = [*BASE, "output_tokens=n", "latency=t", "session=s"]
    trace = one({"q": "q", "a": "a", "n": "4.0", "t": float("nan"), "s": ""}, maps, options)
    assert (trace.usage.output_tokens, trace.timing.total_s, trace.segment.session_id) == (4, None, None)


def test_a_column_in_milliseconds_becomes_seconds(options: Options) -> None:
    trace = one({"q": "q", "a": "a", "latency_ms": "250"}, [*BASE, "latency=latency_ms"], options)
    assert trace.timing.total_s == 0.25


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (["promt=q"], "unknown target 'promt'; did you mean prompt"),
        (["usage.output_token=q"], "did you mean usage.output_tokens"),
        (["model=a", "model.name=b"], "model.name is mapped twice"),
        (["prompt"], "expected TARGET=COLUMN"),
        (["id=@line"], "unknown '@line': there are @row"),
        (["schema_version=q"], "unknown target 'schema_version'"),
    ],
)
def test_a_wrong_rule_is_answered_with_what_is_known(maps: list[str], message: str) -> None:
    with pytest.raises(Permanent, match=message):
        Mapping.parse(maps)


def test_an_unknown_column_is_answered_with_close_ones() -> None:
    with pytest.raises(Permanent, match="the file has no column 'anwser'; did you mean answer"):
        Mapping.parse(["prompt=query", "response=anwser", "model='m'"]).check(["query", "answer"])
    with pytest.raises(Permanent, match="no column for model: say --map model=COLUMN or --set model=NAME"):
        Mapping.parse(["prompt=query", "response=answer"]).check(["query", "answer"])


def test_usual_names_are_recognised_and_ill_fitting_ones_passed_over() -> None:
    row = {"Question": "q", "Generated Answer": "a", "model_id": "m", "timestamp": "07/26/2023", "latency_ms": "5"}
    mapping = Mapping.parse(["tenant='acme'"]).guessed([Row(1, row)], Calendar())
    assert str(mapping) == (
        "segment.tenant = 'acme', prompt = Question, response = Generated Answer, model.name = model_id, "
        "timing.total_s = latency_ms"
    )


def test_a_guess_never_takes_a_field_that_has_a_rule() -> None:
    mapping = Mapping.parse(["messages=chat"]).guessed([Row(1, {"chat": [], "prompt": "p"})], Calendar())
    assert str(mapping) == "input_messages = chat"
