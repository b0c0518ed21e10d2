"""Spans of batches, linked to the producers' spans."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import cast

from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import Link, SpanContext, TraceFlags

# Most links of a span; backends cut longer lists.
LINKS = 128

# W3C Trace Context: version-trace-parent-flags; versions after 00 may say more behind a dash.
TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def link_from(headers: Mapping[str, bytes]) -> Link | None:
    """A link to the span that a record's ``traceparent`` names; None where there is none or nobody keeps it.

    >>> link = link_from({"traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
    >>> f"{link.context.span_id:016x}"
    '00f067aa0ba902b7'
    """
    found = TRACEPARENT.fullmatch(headers.get("traceparent", b"").strip())
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    context = SpanContext(
        int(found[2], 16), int(found[3], 16), is_remote=True, trace_flags=TraceFlags(int(found[4], 16))
    )
    return Link(context) if context.is_valid and context.trace_flags.sampled else None


def links_of(headers: Sequence[Mapping[str, bytes]], most: int = LINKS) -> list[Link]:
    """Links to the spans of some of a batch's records, evenly spread: parsing all of them would cost per trace."""
    step = -(-len(headers) // most) or 1
    return [link for each in headers[::step] if (link := link_from(each)) is not None]


def otlp_exporter(environment: Mapping[str, str]) -> SpanExporter | None:
    """Sends spans where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says; None where it is not set or no exporter is installed."""
    if not environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    try:
        module = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError:
        return None
    return cast("SpanExporter", module.OTLPSpanExporter())
