"""A day of an assistant's traffic, at some point of which an over-quantized build is put in service.

Everything is invented, seeded and without a clock: the same arguments give the same bytes. What people ask does not
depend on the build that answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import numpy as np

from monitor.demo.answers import DAMAGED, HEALTHY, Behaviour, answer
from monitor.demo.knowledge import Knowledge, Passage, Template, knowledge, worded
from monitor.demo.tokens import VOCABULARY, tokens_of, written
from monitor.model.trace import (
    SCHEMA_VERSION,
    Document,
    Engine,
    InputMessage,
    Labels,
    Model,
    OutputMessage,
    Part,
    PromptTemplate,
    Quantization,
    RequestOptions,
    Retrieval,
    Service,
    Timing,
    Tokenization,
    Trace,
    Usage,
)  # fmt: skip

UNANSWERED = 0.06  # of the questions are on no help page
MAX_TOKENS = 220
TENANTS = ("orrelbox-europe", "orrelbox-america", "orrelbox-pacific")
CHANNELS = ("web", "app", "email")
SYSTEM = "You answer questions about Orrelbox from the help pages given, and say so when they do not hold the answer."
TEMPLATE = PromptTemplate(name="support", version="3", hash=hashlib.sha256(SYSTEM.encode()).hexdigest()[:16])
TOKENS_BEFORE = len(tokens_of(SYSTEM))


@dataclass(frozen=True, slots=True)
class Build:
    """A deployment and how it behaves."""

    model: Model
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the labels that all turns of a session share."""

    tenant: str
    channel: str
    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, by whom, and what retrieval found; ``passage`` is the page that answers, if any does."""

    text: str
    visitor: Visitor
    passage: Passage | None
    point: int
    found: tuple[Document, ...]


def built(precision: Literal["fp16", "int4"], quantization: Quantization | None) -> Model:
    revision = hashlib.sha256(f"orrel-assistant 2.1 {precision} {quantization}".encode()).hexdigest()
    return Model(
        name="orrel-assistant",
        version="2.1",
        revision=revision,
        engine=Engine(name="onnxruntime", execution_provider="CUDAExecutionProvider"),
        precision=precision,
        quantization=quantization,
    )


def good_build() -> Build:
    return Build(built("fp16", None), HEALTHY)


def bad_build() -> Build:
    return Build(built("int4", Quantization(method="round-to-nearest", bits=4, group_size=1024)), DAMAGED)


def scenario(
    seed: int,
    *,
    traces: int,
    start: datetime,
    span: timedelta,
    change_at: float = 0.6,
    builds: tuple[Build, Build] | None = None,
) -> Iterator[bytes]:
    """Trace records as JSON, in the order of their times; the second build answers from ``change_at`` of them on."""
    for trace in exchanges(seed, traces=traces, start=start, span=span, change_at=change_at, builds=builds):
        yield msgspec.json.encode(trace)


def exchanges(
    seed: int,
    *,
    traces: int,
    start: datetime,
    span: timedelta,
    change_at: float = 0.6,
    builds: tuple[Build, Build] | None = None,
) -> Iterator[Trace]:
    """The traces of ``scenario``; arrivals are evenly spread over ``span`` and jittered within their places."""
    before, after = builds or (good_build(), bad_build())
    asking = np.random.default_rng([seed, 0])
    pages = knowledge()
    visitors: list[Visitor] = []
    for i in range(traces):
        time = start + span * ((i + asking.random()) / traces)
        question = asked(asking, pages, visitors)
        # Each answer has its own stream, so that one build's wordiness does not change what follows.
        answering = np.random.default_rng([seed, 1, i])
        yield exchange(answering, question, after if i >= change_at * traces else before, time)


def asked(rng: np.random.Generator, pages: Knowledge, visitors: list[Visitor]) -> Question:
    visitor = next_visitor(rng, visitors)
    templates = pages.unanswered if rng.random() < UNANSWERED else pages.answered
    template = templates[int(rng.integers(len(templates)))]
    passage = None if template.passage is None else pages.passages[template.passage]
    return Question(worded(rng, template), visitor, passage, template.point, retrieved(rng, pages, template))


def next_visitor(rng: np.random.Generator, visitors: list[Visitor]) -> Visitor:
    """One of the last thirty visitors with another question, or a new one."""
    if visitors and rng.random() < 0.35:
        return visitors[int(rng.integers(len(visitors)))]
    tenant = TENANTS[int(rng.choice(3, p=(0.5, 0.35, 0.15)))]
    channel = CHANNELS[int(rng.choice(3, p=(0.5, 0.4, 0.1)))]
    visitor = Visitor(tenant, channel, rng.bytes(8).hex(), rng.bytes(8).hex())
    visitors.append(visitor)
    del visitors[:-30]
    return visitor


def retrieved(rng: np.random.Generator, pages: Knowledge, template: Template) -> tuple[Document, ...]:
    """The three best pages: the one that answers, mostly first, and others of its topic."""
    others = [
        i for i, page in enumerate(pages.passages) if page.topic == template.topic and i != template.passage
    ]  # fmt: skip
    chosen = [int(i) for i in rng.permutation(others)[: 2 if template.passage is not None else 3]]
    scores = rng.uniform(0.35, 0.65, len(chosen)).tolist()
    if template.passage is not None:
        chosen.append(template.passage)
        scores.append(float(rng.uniform(0.55, 0.93)))
    ranked = sorted(zip(scores, chosen, strict=True), reverse=True)
    return tuple(
        Document(
            id=pages.passages[i].id, text=pages.passages[i].text, score=round(score, 4), rank=rank,
            source_uri=f"help://orrelbox/{pages.passages[i].id}",
        )
        for rank, (score, i) in enumerate(ranked, 1)
    )  # fmt: skip


def exchange(rng: np.random.Generator, question: Question, build: Build, time: datetime) -> Trace:
    """The trace of one question and the build's answer."""
    said = answer(rng, question.passage, question.point, build.behaviour)
    logprobs = written(rng, said.pieces, build.behaviour.surprisal, MAX_TOKENS)
    cut = len(logprobs.tokens) < len(tokens_of(said.text))
    words = TOKENS_BEFORE + sum(len(tokens_of(text)) for text in (question.text, *(d.text for d in question.found)))
    timing = timed(rng, words, len(logprobs.tokens), build.behaviour)
    visitor = question.visitor
    trace_id = rng.bytes(16).hex()
    text = "".join(logprobs.tokens)
    return Trace(
        id=f"chat-{trace_id}",
        schema_version=SCHEMA_VERSION,
        time=time,
        end_time=time + timedelta(seconds=timing.total_s or 0.0),
        trace_id=trace_id,
        span_id=rng.bytes(8).hex(),
        service=Service(name="support-assistant", environment="demo", instance_id=f"worker-{rng.integers(3)}"),
        segment=Labels(visitor.tenant, visitor.user_id, visitor.session_id, labels={"channel": visitor.channel}),
        model=build.model,
        prompt_template=TEMPLATE,
        request=RequestOptions(temperature=0.2, max_tokens=MAX_TOKENS),
        input_messages=[message("system", SYSTEM), message("user", question.text)],
        output_messages=[OutputMessage(parts=[Part(content=text)], finish_reason="length" if cut else "stop")],
        usage=Usage(input_tokens=words, output_tokens=len(logprobs.tokens)),
        tokenization=Tokenization(tokenizer="orrel-pieces", vocabulary_size=VOCABULARY, unknown_tokens=0),
        logprobs=logprobs,
        context=list(question.found),
        retrieval=Retrieval(query=question.text, k=3, index_version="help-2"),
        timing=timing,
        extra={"scenario": {"outcome": said.outcome, "rambled": said.rambled}},
    )


def message(role: str, text: str) -> InputMessage:
    return InputMessage(role, [Part(content=text)])


def timed(rng: np.random.Generator, words: int, written_tokens: int, behaviour: Behaviour) -> Timing:
    """Durations of an answer: a short queue, a prefill by length, and tokens at the build's pace."""
    queue_s = float(rng.exponential(0.02))
    prefill_s = 0.03 + 1e-4 * words * float(rng.lognormal(0.0, 0.15))
    per_token_s = behaviour.token_s * float(rng.lognormal(0.0, 0.12))
    decode_s = per_token_s * written_tokens
    first_s = queue_s + prefill_s + per_token_s
    total_s = queue_s + prefill_s + decode_s
    durations = (queue_s, prefill_s, first_s, decode_s, per_token_s, total_s)
    return Timing(*(round(duration, 6) for duration in durations))
