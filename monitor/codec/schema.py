"""The published JSON Schema of the trace record."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.model.trace import SCHEMA_VERSION, Trace


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a trace; one of ``input_messages`` and ``prompt_text`` is required on top of it."""
    schema = msgspec.json.schema(Trace)
    definition = schema["$defs"]["Trace"]
    definition["anyOf"] = [{"required": ["input_messages"]}, {"required": ["prompt_text"]}]
    definition["properties"]["schema_version"] = {"type": "string", "pattern": r"^1\.\d+$"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Driftwarden trace record, version {SCHEMA_VERSION}",
        **schema,
    }
