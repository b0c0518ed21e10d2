"""Drift, rejects, builds, baselines, partitions, feedback, guard decisions, certificates and canaries: a list each."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from monitor.ports import Reader
from monitor.web.listing import Asked, Listing, Paging, Text, Timed, answer, equal, within

DRIFT = Listing(
    name="drift",
    source="v_drift",
    columns=(
        "pane", "segment", "signal", "n", "effect_kind", "effect", "reference_value", "current_value", "log_e",
        "log_threshold", "evidence", "drifted", "onset", "shares", "baseline", "reference",
    ),
    key={"pane": "time", "baseline": "integer", "segment": "text", "signal": "text", "reference": "text"},
    by_time=True,
)  # fmt: skip

REJECTS = Listing(
    name="rejects",
    source="v_rejects",
    columns=(
        "id", "received_at", "topic", "partition", "offset", "reason", "message", "bytes", "forwarded_at",
        "replayed_at",
    ),
    key={"id": "integer"},
)  # fmt: skip

# By when they were first seen: the last time moves while one pages.
BUILDS = Listing(
    name="builds",
    source="v_builds",
    columns=("build", "first_seen", "last_seen", "traces", "model", "prompt_template"),
    key={"first_seen": "time", "build": "text"},
)

BASELINES = Listing(
    name="baselines",
    source="v_baselines",
    columns=(
        "version", "in_force", "source", "space", "traces", "since", "until", "judged_from", "segments", "sha256",
        "created_at", "builds", "run_length_lowest", "run_length_highest", "left_out",
    ),
    key={"version": "integer"},
)  # fmt: skip

PARTITIONS = Listing(
    name="partitions",
    source="v_partitions",
    columns=(
        "topic", "partition", "next", "end", "lag", "event_time", "data_at", "seen_at", "traces", "repeats", "rejects",
    ),
    key={"topic": "text", "partition": "integer"},
    order="ASC",
)  # fmt: skip


FEEDBACK = Listing(
    name="feedback",
    source="v_feedback",
    columns=("tenant", "id", "at", "kind", "value", "comment", "source", "bad", "received_at"),
    key={"at": "time", "tenant": "text", "id": "text", "source": "text", "kind": "text"},
    by_time=True,
)

CERTIFICATES = Listing(
    name="certificates",
    source="v_certificates",
    columns=(
        "id", "score", "promise", "level", "delta", "threshold", "labels", "bad", "flagged", "made_at", "void", "alert",
    ),
    key={"id": "integer"},
)  # fmt: skip


DECISIONS = Listing(
    name="decisions",
    source="v_guard_decisions",
    columns=(
        "time", "tenant", "id", "build", "verdict", "action", "policy", "policy_hash", "rule", "score", "latency_s",
        "degraded", "stages", "findings",
    ),
    key={"time": "time", "tenant": "text", "id": "text"},
    by_time=True,
)  # fmt: skip


CANARIES = Listing(
    name="canaries",
    source="v_canaries",
    columns=(
        "target", "canary", "prompt", "state", "repetitions", "evidence", "since", "pinned_build", "build",
        "pinned_answer", "answer", "pinned_first_logprob", "first_logprob", "shift", "answer_changed",
        "pinned_exact_match", "exact_match", "pinned_token_f1", "token_f1", "at", "status", "reason", "pinned_at",
        "sent_at",
    ),
    key={"target": "text", "canary": "text"},
    order="ASC",
)  # fmt: skip


class DriftFilters(Timed):
    segment: Annotated[Text, Field(description="all, or label=value pairs as alerts name them")] | None = None
    signal: Text | None = None
    drifted: bool | None = None
    baseline: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class RejectFilters(Timed):
    topic: Text | None = None
    partition: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    reason: Text | None = None


class FeedbackFilters(Timed):
    id: Annotated[Text, Field(description="of the trace")] | None = None
    kind: Text | None = None
    bad: bool | None = None


class DecisionFilters(Timed):
    tenant: Text | None = None
    id: Annotated[Text, Field(description="of the trace")] | None = None
    build: Text | None = None
    verdict: Text | None = None
    policy: Text | None = None
    rule: Annotated[Text, Field(description="behind the verdict")] | None = None
    degraded: bool | None = None


class PartitionFilters(Paging):
    topic: Text | None = None


class CanaryFilters(Paging):
    target: Text | None = None
    state: Literal["learning", "watched", "changed"] | None = None


def routes(reader: Reader) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["lists"], default_response_class=Response)

    @router.get("/drift", summary="Verdicts by pane, segment and signal, newest first")
    def drift(request: Request, asked: Annotated[DriftFilters, Query()]) -> Response:
        chosen = {name: getattr(asked, name) for name in ("segment", "signal", "drifted", "baseline")}
        return answer(reader, Asked(DRIFT, asked, [*equal(chosen), *within("pane", asked)]), request)

    @router.get("/rejects", summary="Records that could not become traces, newest first")
    def rejects(request: Request, asked: Annotated[RejectFilters, Query()]) -> Response:
        chosen = {name: getattr(asked, name) for name in ("topic", "partition", "reason")}
        return answer(reader, Asked(REJECTS, asked, [*equal(chosen), *within("received_at", asked)]), request)

    @router.get("/builds", summary="Deployments seen in the traces, the newest first")
    def builds(request: Request, asked: Annotated[Paging, Query()]) -> Response:
        return answer(reader, Asked(BUILDS, asked, []), request)

    @router.get("/baselines", summary="Baselines, the one in force first")
    def baselines(request: Request, asked: Annotated[Paging, Query()]) -> Response:
        return answer(reader, Asked(BASELINES, asked, []), request)

    @router.get("/partitions", summary="How far each partition was read, with exact counts")
    def partitions(request: Request, asked: Annotated[PartitionFilters, Query()]) -> Response:
        return answer(reader, Asked(PARTITIONS, asked, equal({"topic": asked.topic})), request)

    @router.get("/feedback", summary="What people said of answers, newest first")
    def feedback(request: Request, asked: Annotated[FeedbackFilters, Query()]) -> Response:
        chosen = {name: getattr(asked, name) for name in ("id", "kind", "bad")}
        return answer(reader, Asked(FEEDBACK, asked, [*equal(chosen), *within("at", asked)]), request)

    @router.get("/decisions", summary="What guards said of exchanges, newest first")
    def decisions(request: Request, asked: Annotated[DecisionFilters, Query()]) -> Response:
        names = ("tenant", "id", "build", "verdict", "policy", "rule", "degraded")
        chosen = {name: getattr(asked, name) for name in names}
        return answer(reader, Asked(DECISIONS, asked, [*equal(chosen), *within("time", asked)]), request)

    @router.get("/certificates", summary="Promises about thresholds, newest first; void while the score drifts")
    def certificates(request: Request, asked: Annotated[Paging, Query()]) -> Response:
        return answer(reader, Asked(CERTIFICATES, asked, []), request)

    @router.get("/canaries", summary="Golden prompts of each target: the pinned answer beside the newest")
    def canaries(request: Request, asked: Annotated[CanaryFilters, Query()]) -> Response:
        chosen = {name: getattr(asked, name) for name in ("target", "state")}
        return answer(reader, Asked(CANARIES, asked, equal(chosen)), request)

    return router
