"""The trace record: one prompt and its answer, with what the worker knew.

Durations are seconds, instants aware UTC, log-probabilities nats. Fields a producer adds are kept in the stored body.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from monitor.model.guarded import GuardVerdict

SCHEMA_VERSION = "1.0"

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(max_length=256)]
Instant = Annotated[datetime, Meta(tz=True)]
# Every count up to this has a float of its own; JSON has numbers that no float holds.
Count = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0)]
TraceId = Annotated[str, Meta(pattern="^[0-9a-fA-F]{32}$")]
SpanId = Annotated[str, Meta(pattern="^[0-9a-fA-F]{16}$")]


class Service(Struct, frozen=True, gc=False, omit_defaults=True):
    name: Name | None = None
    version: Name | None = None
    instance_id: Name | None = None
    environment: Name | None = None


class Labels(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who and what the trace belongs to; the source of segments."""

    tenant: Name | None = None
    user_id: Name | None = None
    session_id: Name | None = None
    conversation_id: Name | None = None
    labels: Annotated[dict[str, Name], Meta(max_length=16)] = {}


class Engine(Struct, frozen=True, gc=False, omit_defaults=True):
    name: Name | None = None
    version: Name | None = None
    execution_provider: Name | None = None


class Quantization(Struct, frozen=True, gc=False, omit_defaults=True):
    method: Name | None = None
    bits: int | None = None
    group_size: int | None = None


class Adapter(Struct, frozen=True, gc=False, omit_defaults=True):
    name: Name | None = None
    version: Name | None = None


class Model(Struct, frozen=True, gc=False, omit_defaults=True, cache_hash=True):
    """The build that answered."""

    name: Name
    requested: Name | None = None
    provider: Name | None = None
    version: Name | None = None
    revision: Name | None = None
    engine: Engine | None = None
    precision: Literal["fp32", "fp16", "bf16", "fp8", "int8", "int4"] | None = None
    quantization: Quantization | None = None
    adapter: Adapter | None = None
    pruning: Any = None
    distilled_from: Name | None = None


class PromptTemplate(Struct, frozen=True, gc=False, omit_defaults=True, cache_hash=True):
    name: Name | None = None
    version: Name | None = None
    hash: Name | None = None


class RequestOptions(Struct, frozen=True, gc=False, omit_defaults=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | str | None = None
    stream: bool | None = None
    n: int | None = None
    response_format: Any = None


class Cache(Struct, frozen=True, gc=False, omit_defaults=True):
    hit: bool | None = None
    kind: Literal["prefix", "semantic", "response"] | None = None
    cached_input_tokens: Count | None = None
    age_s: Seconds | None = None


class Part(Struct, frozen=True, gc=False, omit_defaults=True):
    """A part of a message; text stands in ``content`` (GenAI conventions) or ``text``.

    A part of type ``tool_call`` has the ``name`` of the tool and its ``arguments``, as an object or as JSON.
    """

    type: str = "text"
    content: Any = None
    text: str | None = None
    name: Any = None
    arguments: Any = None


class InputMessage(Struct, frozen=True, gc=False, omit_defaults=True):
    role: str
    parts: list[Part] = []


class OutputMessage(Struct, frozen=True, gc=False, omit_defaults=True):
    role: str = "assistant"
    parts: list[Part] = []
    finish_reason: Literal["stop", "length", "content_filter", "tool_call", "error"] | None = None


class Usage(Struct, frozen=True, gc=False, omit_defaults=True):
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cache_read_tokens: Count | None = None


class Tokenization(Struct, frozen=True, gc=False, omit_defaults=True):
    tokenizer: Name | None = None
    vocabulary_size: Count | None = None
    unknown_tokens: Count | None = None
    byte_fallback_tokens: Count | None = None


class TopK(Struct, frozen=True, gc=False, omit_defaults=True):
    k: Count
    token_ids: list[list[int]] = []
    logprob: list[list[float]] = []


class Logprobs(Struct, frozen=True, gc=False, omit_defaults=True):
    """Columns over the output tokens; ``logprob`` after log-softmax.

    Only ``unit`` nats and ``source`` raw or post_temperature are scored; a producer that has others may say so.
    """

    unit: Name = "nats"
    source: Name = "raw"
    token_ids: list[int] = []
    tokens: list[str] = []
    byte_offsets: list[int] = []
    logprob: list[float] = []
    entropy: list[float] = []
    top_k: TopK | None = None


class Attention(Struct, frozen=True, gc=False, omit_defaults=True):
    lookback_ratio: list[float] = []


class Sample(Struct, frozen=True, gc=False, omit_defaults=True):
    text: str
    finish_reason: str | None = None
    logprob_sum: float | None = None
    n_tokens: Count | None = None


class Document(Struct, frozen=True, gc=False, omit_defaults=True):
    """A passage the answer should rest on; ``updated_at`` says when its text was last known to be right."""

    id: str
    text: str = ""
    score: float | None = None
    rank: int | None = None
    source_uri: str | None = None
    hash: str | None = None
    chunk: Any = None
    updated_at: Instant | None = None


class Retrieval(Struct, frozen=True, gc=False, omit_defaults=True):
    query: str | None = None
    k: int | None = None
    index_version: str | None = None


class Embedding(Struct, frozen=True, gc=False, omit_defaults=True):
    """A vector that travels with the trace: base64 of little-endian numbers, ``dim`` of them.

    Its target is ``prompt``, ``response``, ``context:<i>`` or ``sample:<i>``; ``data`` is decoded.
    """

    target: str
    model: Name
    dim: Annotated[int, Meta(ge=1, le=16384)]
    encoding: Literal["f32le_b64", "f16le_b64", "i8_b64"]
    data: bytes
    revision: Name | None = None
    pooling: Name | None = None
    normalized: bool | None = None
    scale: float | None = None


class Timing(Struct, frozen=True, gc=False, omit_defaults=True):
    queue_s: Seconds | None = None
    prefill_s: Seconds | None = None
    ttft_s: Seconds | None = None
    decode_s: Seconds | None = None
    per_output_token_s: Seconds | None = None
    total_s: Seconds | None = None


class Gpu(Struct, frozen=True, gc=False, omit_defaults=True):
    device: Name | None = None
    batch_size: Count | None = None
    mem_bytes: Count | None = None


class Cost(Struct, frozen=True, gc=False, omit_defaults=True):
    amount: float
    currency: str = "USD"


class Feedback(Struct, frozen=True, gc=False, omit_defaults=True):
    kind: Literal["thumb", "rating", "correction", "label"]
    value: Any = None
    comment: str | None = None
    source: str | None = None
    time: Instant | None = None


class Sampling(Struct, frozen=True, gc=False, omit_defaults=True):
    rate: Annotated[float, Meta(gt=0, le=1)] = 1.0
    reason: str | None = None


class Trace(Struct, frozen=True, gc=False, omit_defaults=True):
    """One prompt and its answer. ``input_messages`` or ``prompt_text`` must be there."""

    id: Id
    schema_version: str
    time: Instant
    model: Model
    output_messages: list[OutputMessage]
    input_messages: list[InputMessage] = []
    prompt_text: str | None = None
    end_time: Instant | None = None
    trace_id: TraceId | None = None
    span_id: SpanId | None = None
    parent_span_id: SpanId | None = None
    response_id: Name | None = None
    operation: Literal["chat", "text_completion", "embeddings", "retrieval"] = "chat"
    status: Literal["ok", "error"] = "ok"
    error_type: Name | None = None
    service: Service = Service()
    segment: Labels = Labels()
    prompt_template: PromptTemplate | None = None
    request: RequestOptions | None = None
    cache: Cache | None = None
    system_instructions: list[Any] = []
    tools: list[Any] = []
    usage: Usage = Usage()
    tokenization: Tokenization | None = None
    logprobs: Logprobs | None = None
    attention: Attention | None = None
    samples: list[Sample] = []
    context: list[Document] = []
    retrieval: Retrieval | None = None
    embeddings: list[Embedding] = []
    timing: Timing = Timing()
    gpu: Gpu | None = None
    cost: Cost | None = None
    guard: GuardVerdict | None = None
    feedback: list[Feedback] = []
    content_policy: Literal["full", "redacted", "hash_only", "none"] = "full"
    redactions: list[Any] = []
    sampling: Sampling | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def tenant(self) -> str:
        return self.segment.tenant or ""

    @property
    def key(self) -> tuple[str, str, datetime]:
        """What makes a trace the same trace when a producer sends it again: a retry carries the trace's own time."""
        return (self.tenant, self.id, self.time)
