import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.trace import OutputMessage, Part, RequestOptions
from monitor.scoring.formats import fits, json_score, tool_call_score
from tests.stores import decoded, line

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ANY = {"type": "json_object"}
OF_CITY = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["city", "n"]), inner, max_size=2),
    max_leaves=6,
)


def asked(response_format: Any, answer: str):
    (item,) = decoded([line(1, request={"response_format": response_format})])
    return json_score(item.trace, answer)


@pytest.mark.parametrize(
    ("response_format", "answer", "value"),
    [
        (ANY, '{"city": 1}', 0.0),
        (ANY, ' {"city": 1}\n', 0.0),
        (ANY, '```json\n{"city": 1}\n```', 0.5),
        (ANY, 'Here it is: {"city": 1}', 1.0),
        (ANY, '{"city": 1', 1.0),
        (ANY, "{'city': 1}", 1.0),
        (OF_CITY, '{"city": "Rome"}', 0.0),
        (OF_CITY, '{"city": 1}', 0.5),
        (OF_CITY, "[]", 0.5),
        ({"type": "json", "value": CITY}, '{"town": "Rome"}', 0.5),
        ({"type": "json_schema", "schema": CITY}, '{"city": "Rome"}', 0.0),
        (ANY, "[" * 100_000, 1.0),
    ],
)
def test_json_is_read_where_it_was_asked_for(response_format: Any, answer: str, value: float) -> None:
    assert asked(response_format, answer).value == value


def test_the_span_begins_where_the_json_breaks_off() -> None:
    answer = '{"city": "Rome", oh}'
    (span,) = asked(ANY, answer).spans
    assert answer[slice(*span)] == "oh}"


@pytest.mark.parametrize("response_format", [None, "json", {"type": "text"}, {"type": 3}, {"type": ["json"]}, {}, []])
def test_text_that_need_not_be_json_is_not_judged(response_format: Any) -> None:
    score = asked(response_format, "Rome")
    assert (score.status, score.reason) == ("insufficient_input", "no JSON was asked for")


@pytest.mark.parametrize(
    "schema",
    [{"type": "nothing"}, {"$ref": "http://127.0.0.1:9/city.json"}, {"pattern": "("}, {"required": 3}],
)
def test_a_schema_that_cannot_be_used_is_an_error_that_says_so(schema: Any) -> None:
    score = asked({"type": "json_schema", "json_schema": {"schema": schema}}, "{}")
    assert score.status == "error"
    assert score.reason.startswith("request.response_format: not a schema that can be used: ")


def test_a_pattern_that_runs_away_is_stopped() -> None:
    schema = {"type": "string", "pattern": "^(a|a)*(?=b)c$"}
    assert asked({"type": "json_schema", "json_schema": {"schema": schema}}, json.dumps("a" * 200)).status in (
        "ok",
        "error",
    )


@given(VALUE)
def test_schemas_are_read_as_the_reference_implementation_reads_them(value: Any) -> None:
    assert fits(value, CITY) == jsonschema.Draft202012Validator(CITY).is_valid(value)


def called(*parts: dict[str, Any], tools: Any = (), finish_reason: str | None = "tool_call"):
    message = {"parts": [{"type": "tool_call", **part} for part in parts], "finish_reason": finish_reason}
    (item,) = decoded([line(1, output_messages=[message], tools=list(tools))])
    return tool_call_score(item.trace)


OPENAI = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
FLAT = {"type": "function", "name": "weather", "parameters": CITY}
ANTHROPIC = {"name": "weather", "input_schema": CITY}
GOOD = {"name": "weather", "arguments": {"city": "Rome"}}


@pytest.mark.parametrize("tool", [OPENAI, FLAT, ANTHROPIC])
@pytest.mark.parametrize(
    ("call", "value"),
    [
        (GOOD, 0.0),
        ({"name": "weather", "arguments": '{"city": "Rome"}'}, 0.0),
        ({"name": "weather", "arguments": '{"city": "Rome"'}, 1.0),
        ({"name": "weather", "arguments": {"town": "Rome"}}, 1.0),
        ({"name": "weather", "arguments": ["Rome"]}, 1.0),
        ({"name": "whether", "arguments": {"city": "Rome"}}, 1.0),
        ({"arguments": {"city": "Rome"}}, 1.0),
    ],
)
def test_a_call_is_one_that_a_tool_offered_takes(tool: Any, call: Any, value: float) -> None:
    assert called(call, tools=[tool]).value == value


def test_several_calls_count_by_their_share() -> None:
    assert called(GOOD, GOOD, GOOD, {"name": "whether"}, tools=[OPENAI]).value == 0.25


def test_a_promised_call_that_is_not_there_is_wrong() -> None:
    assert called(tools=[OPENAI]).value == 1.0


def test_calls_without_a_list_of_tools_are_read_for_their_form() -> None:
    assert called(GOOD, {"name": "weather", "arguments": "["}).value == 0.5


@pytest.mark.parametrize(("tools", "reason"), [([OPENAI], "no tool was called"), ([], "no tool was offered or called")])
def test_an_answer_in_words_is_no_call(tools: Any, reason: str) -> None:
    score = called(tools=tools, finish_reason="stop")
    assert (score.status, score.reason) == ("insufficient_input", reason)


def test_a_record_with_other_fields_in_its_parts_is_read_as_before() -> None:
    part = Part("tool_call", name=3, arguments=4)
    assert OutputMessage(parts=[part]).parts[0].name == 3
    assert RequestOptions(response_format="json").response_format == "json"
