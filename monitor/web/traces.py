"""Traces: the list with its filters, and one trace with its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints
from starlette.exceptions import HTTPException

from monitor.model.segment import Segment
from monitor.ports import Reader
from monitor.web.listing import Asked, Condition, Listing, Text, Timed, answer, equal, within

TRACES = Listing(
    name="traces",
    source="""(
        SELECT t.*, (
            SELECT jsonb_object_agg(s.score, s.value) FROM v_scores AS s
            WHERE s.tenant = t.tenant AND s.id = t.id AND s.time = t.time
        ) AS scores FROM v_traces AS t
    ) AS traces""",
    columns=(
        "time", "tenant", "id", "build", "model", "prompt_template", "environment", "user_id", "session_id",
        "prompt", "response", "finish_reason", "status", "prompt_tokens", "response_tokens", "latency_s", "scores",
        "trace_id", "span_id", "received_at", "topic", "partition", "offset",
    ),
    key={"time": "time", "tenant": "text", "id": "text"},
    by_time=True,
)  # fmt: skip

# Labels of segments that are columns of the view; the others are read from the record.
COLUMNS = ("build", "model", "prompt_template", "tenant", "environment")


def checked_segment(text: str) -> str:
    if text != "all" and not all("=" in pair for pair in text.split(",")):
        raise ValueError("expected label=value, several joined by commas, or all")
    return text


ScoreBound = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}:(\d{1,9}(\.\d{1,15})?|\.\d{1,15})$", max_length=100)
]
Bounds = Annotated[list[ScoreBound], Field(max_length=8)]
SegmentText = Annotated[Text, AfterValidator(checked_segment)]


class TraceFilters(Timed):
    build: Text | None = None
    tenant: Text | None = None
    model: Text | None = None
    prompt_template: Text | None = None
    environment: Text | None = None
    user_id: Text | None = None
    session_id: Text | None = None
    trace_id: Text | None = None
    status: Text | None = None
    finish_reason: Text | None = None
    segment: Annotated[SegmentText, Field(description="as drift names it: build=…,tenant=…")] | None = None
    q: Annotated[Text, Field(description="part of the prompt or of the response, in any case")] | None = None
    min_score: Bounds = Field(default_factory=list, description="score:value, such as grounding.lexical:0.5")
    max_score: Bounds = Field(default_factory=list, description="score:value")

    def conditions(self) -> list[Condition]:
        columns = (*COLUMNS, "user_id", "session_id", "trace_id", "status", "finish_reason")
        bounds = [scored(bound, ">=", f"min_{place}") for place, bound in enumerate(self.min_score)]
        bounds += [scored(bound, "<=", f"max_{place}") for place, bound in enumerate(self.max_score)]
        return [
            *equal({column: getattr(self, column) for column in columns}),
            *within("time", self),
            *(in_segment(Segment.parse(self.segment)) if self.segment else ()),
            *((containing(self.q),) if self.q else ()),
            *bounds,
        ]


def in_segment(segment: Segment) -> list[Condition]:
    return [labelled(label, value, place) for place, (label, value) in enumerate(segment.pairs)]


def labelled(label: str, value: str, place: int) -> Condition:
    """The traces where a label of segments has this value."""
    name = f"label_{place}"
    if label in COLUMNS:
        return Condition(f"{label} = :{name}", {name: value})
    path = ["service", "name"] if label == "service" else ["segment", "labels", label.removeprefix("labels.")]
    return Condition(f"record #>> CAST(:{name}_path AS text[]) = :{name}", {f"{name}_path": path, name: value})


def containing(part: str) -> Condition:
    literal = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Condition("prompt ILIKE :part OR response ILIKE :part", {"part": f"%{literal}%"})


def scored(bound: str, sign: str, name: str) -> Condition:
    """The traces with a score on one side of a bound; one that could not be computed is on neither."""
    score, _, value = bound.partition(":")
    return Condition(
        f"""EXISTS (SELECT FROM v_scores AS s WHERE s.tenant = traces.tenant AND s.id = traces.id
            AND s.time = traces.time AND s.score = :{name}_score AND s.value {sign} :{name})""",
        {f"{name}_score": score, name: float(value)},
    )


def trace_with_scores(reader: Reader, tenant: str, trace_id: str) -> Mapping[str, Any] | None:
    """The newest trace of that id; ``record`` is what the producer sent, ``scores`` tell what ``v_scores`` does."""
    key = {"tenant": tenant, "id": trace_id}
    columns = ", ".join(f'"{column}"' for column in TRACES.columns if column != "scores")
    sql = f"""SELECT {columns}, record::text FROM v_traces
        WHERE tenant = :tenant AND id = :id ORDER BY time DESC LIMIT 1"""  # noqa: S608
    found = list(reader.rows(sql, key))
    if not found:
        return None
    trace = found[0]
    sql = """SELECT score, value, status, reason, spans, claims FROM v_scores
        WHERE tenant = :tenant AND id = :id AND time = :time ORDER BY score"""
    scores = list(reader.rows(sql, {**key, "time": trace["time"]}))
    # The record goes out as it is stored: what a producer nests deeply or writes with many digits stays so.
    return {**trace, "scores": scores, "record": msgspec.Raw(trace["record"].encode())}


def routes(reader: Reader) -> APIRouter:
    router = APIRouter(prefix="/api/v1/traces", tags=["traces"])

    @router.get("", summary="Traces, newest first", response_class=Response)
    def traces(request: Request, asked: Annotated[TraceFilters, Query()]) -> Response:
        return answer(reader, Asked(TRACES, asked, asked.conditions()), request)

    # An id is any text of the producer's: it may hold slashes.
    @router.get("/{trace_id:path}", summary="One trace with its record and scores", response_class=Response)
    def trace(trace_id: Annotated[Text, Path()], tenant: Annotated[Text, Query()] = "") -> Response:
        found = trace_with_scores(reader, tenant, trace_id)
        if found is None:
            raise HTTPException(404, f"no trace {trace_id!r} of tenant {tenant!r}")
        return Response(msgspec.json.encode(found), media_type="application/json")

    return router
