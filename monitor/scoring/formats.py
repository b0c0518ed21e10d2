"""Whether an answer has the form that was asked for: JSON of a schema, calls of the tools offered."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from detectors.score import Score, Span, failed, insufficient, ok
from monitor.model.trace import Part, Trace

NO_JSON_ASKED = insufficient("no JSON was asked for")
NO_TOOLS = insufficient("no tool was offered or called")
NOT_CALLED = insufficient("no tool was called")

JSON_TYPES = frozenset({"json", "json_object", "json_schema"})
FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)


class Unusable(Exception):  # noqa: N818 - says what the schema is
    """A schema that can't be used, and why."""


def json_scores(traces: Sequence[Trace], answers: Sequence[str]) -> list[Score]:
    """1 for no JSON where some was asked for, 0.5 for JSON that breaks its schema or stands in a code fence, else 0.

    The span is where the JSON breaks off.
    """
    return [json_score(trace, answer) for trace, answer in zip(traces, answers, strict=True)]


def json_score(trace: Trace, answer: str) -> Score:
    asked = trace.request.response_format if trace.request else None
    kind = asked.get("type") if isinstance(asked, dict) else None
    if not isinstance(asked, dict) or not isinstance(kind, str) or kind not in JSON_TYPES:
        return NO_JSON_ASKED
    if not answer.strip():
        return insufficient("empty answer")
    try:
        found, fenced = msgspec.json.decode(answer.encode("utf-8", "replace")), False
    except (msgspec.DecodeError, RecursionError):
        inside = FENCED.fullmatch(answer)
        try:
            found, fenced = msgspec.json.decode(inside[1].encode("utf-8", "replace") if inside else b""), True
        except (msgspec.DecodeError, RecursionError):
            return ok(1.0, broken(answer))
    try:
        valid = fits(found, asked_schema(asked))
    except Unusable as problem:
        return failed(f"request.response_format: {problem}")
    return ok(0.5 if fenced or not valid else 0.0)


def broken(answer: str) -> tuple[Span, ...]:
    """From where no JSON can be read on to the end."""
    try:
        json.loads(answer)
    except json.JSONDecodeError as error:
        return ((error.pos, len(answer)),) if error.pos < len(answer) else ()
    except (RecursionError, ValueError):
        return ()
    return ()


def asked_schema(asked: dict[str, Any]) -> Any:
    """The schema of a ``response_format``, as OpenAI (json_schema.schema) or TGI (value) have it; None for any JSON."""
    wrapped = asked.get("json_schema", asked.get("value", asked.get("schema")))
    return wrapped.get("schema", wrapped) if isinstance(wrapped, dict) else None


def tool_call_scores(traces: Sequence[Trace]) -> list[Score]:
    """The share of tool calls to no tool offered, or with arguments that are no JSON object or break its schema.

    1 for a finish reason of ``tool_call`` without any call.
    """
    return [tool_call_score(trace) for trace in traces]


def tool_call_score(trace: Trace) -> Score:
    output = trace.output_messages[0] if trace.output_messages else None
    calls = [part for part in output.parts if part.type == "tool_call"] if output else []
    promised = output is not None and output.finish_reason == "tool_call"
    if not calls and not promised:
        return NOT_CALLED if trace.tools else NO_TOOLS
    if not calls:
        return ok(1.0)
    offered = {name: schema for name, schema in map(offer, trace.tools) if name is not None}
    try:
        return ok(sum(not takes(offered, call) for call in calls) / len(calls))
    except Unusable as problem:
        return failed(f"tools: {problem}")


def offer(tool: Any) -> tuple[str | None, Any]:
    """Name and schema of a tool as OpenAI (nested or flat), Anthropic or MCP describe it."""
    described = tool.get("function", tool) if isinstance(tool, dict) else {}
    if not isinstance(described, dict) or not isinstance(described.get("name"), str):
        return None, None
    schemas = (described.get(name) for name in ("parameters", "input_schema", "inputSchema"))
    return described["name"], next((schema for schema in schemas if isinstance(schema, dict)), None)


def takes(offered: dict[str, Any], call: Part) -> bool:
    """True if the tool called is offered and its schema takes the arguments."""
    if not isinstance(call.name, str) or (offered and call.name not in offered):
        return False
    arguments = {} if call.arguments is None else call.arguments
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments.encode("utf-8", "replace"))
        except (msgspec.DecodeError, RecursionError):
            return False
    return isinstance(arguments, dict) and fits(arguments, offered.get(call.name))


def fits(value: Any, schema: Any) -> bool:
    if schema is None:
        return True
    return validator(msgspec.json.encode(schema, order="deterministic")).is_valid(value)


@lru_cache(maxsize=256)
def validator(schema: bytes) -> jsonschema_rs.Validator:
    """A schema made ready: it comes from a trace, so it fetches nothing and its patterns cannot run away."""
    try:
        return jsonschema_rs.validator_for(
            msgspec.json.decode(schema),
            offline=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000),
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise Unusable(f"not a schema that can be used: {str(error).splitlines()[0][:200]}") from error
