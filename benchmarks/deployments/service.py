"""A simulated LLM service: who asks about what, and how a deployment answers. Seeded, without a clock.

Topics differ in how they are asked and answered, tenants in what they ask about; turns of a session stay with their
tenant and mostly with their topic. Embeddings are made, not encoded: a prompt's lies near its topic's and subtopic's
centre, an answer's near a linear image of the prompt's, moved by how the deployment answers.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.model.trace import (
    SCHEMA_VERSION,
    Adapter,
    Cache,
    Embedding,
    Engine,
    Labels,
    Logprobs,
    Model,
    OutputMessage,
    Part,
    PromptTemplate,
    Service,
    Timing,
    Trace,
    Usage,
)

SPACE, DIMENSION = "simulated", 64
SUBJECTS = (
    "refund", "delivery", "password", "invoice", "subscription", "upload", "printer", "calendar", "warranty",
    "discount", "holiday", "insurance", "telescope", "orchestra",
)  # fmt: skip
TOPICS = 10  # the subjects asked about before; the others are there to be new
SUBTOPICS = 4
VOICES = 4  # models whose answers to the same questions are at hand where texts are real
TENANTS = ("amber", "birch", "cedar", "dune")
NEWCOMER = "ember"
VERBS = ("change", "cancel", "find", "renew", "explain", "compare", "repair", "order")
FILLER = re.findall(
    r"\w+",
    """you can open the page and choose the second entry then confirm with your code and wait for a message it takes
    about two days in most cases we keep a record of it under your account and tell you when it is done""",
)
REFUSAL = "I'm sorry, but I can't help with that."
TURNS = 3.0
STICKY = 0.6
HITS = 0.15
MODEL = Model(
    name="assistant", version="2", revision="a1", precision="fp16", engine=Engine("vllm", "0.9"),
    adapter=Adapter("support", "3"),
)  # fmt: skip
TEMPLATE = PromptTemplate("help", "7")
GATEWAY = Service("gateway", "1.4")
LOGPROBS = 24

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a deployment answers, relative to the healthy one; ``style`` moves the answer's embedding.

    ``only`` limits all of it to one topic. ``voice`` is whose answers are given where texts are real.
    """

    length: float = 1.0
    refusals: float = 0.0
    surprisal: float = 1.0
    style: float = 0.0
    slower: float = 1.0
    only: int | None = None
    voice: int = 0

    def at(self, topic: int) -> Behaviour:
        return HEALTHY if self.only is not None and self.only != topic else self


HEALTHY = Behaviour()


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a worker runs, and how that answers."""

    model: Model = MODEL
    template: PromptTemplate = TEMPLATE
    service: Service = GATEWAY
    behaviour: Behaviour = HEALTHY


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds at a time: shares of topics and tenants, deployments with their shares, and the cache.

    A tenant of ``own`` asks about its own topics instead. A stale cache serves answers to other questions.
    """

    topics: Vector
    tenants: Mapping[str, float]
    deployments: tuple[tuple[float, Deployment], ...] = ((1.0, Deployment()),)
    own: Mapping[str, Vector] = field(default_factory=dict)
    hits: float = HITS
    stale: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """What topics are, drawn once per run: centres of prompts and of answers, lengths and refusals."""

    centres: Vector
    subcentres: Vector
    image: Vector
    answers: Vector
    lengths: Vector
    refusals: Vector
    style: Vector

    @staticmethod
    def drawn(random: np.random.Generator) -> World:
        count = len(SUBJECTS)
        return World(
            centres=random.normal(size=(count, DIMENSION)),
            subcentres=0.5 * random.normal(size=(count, SUBTOPICS, DIMENSION)),
            image=random.normal(size=(DIMENSION, DIMENSION)) / np.sqrt(DIMENSION),
            answers=0.5 * random.normal(size=(count, DIMENSION)),
            lengths=random.uniform(18.0, 45.0, size=count),
            refusals=random.uniform(0.0, 0.06, size=count),
            style=random.normal(size=DIMENSION),
        )


def healthy(random: np.random.Generator) -> Conditions:
    """What holds before any change."""
    topics = np.zeros(len(SUBJECTS))
    topics[:TOPICS] = random.dirichlet(np.full(TOPICS, 5.0))
    tenants = dict(zip(TENANTS, random.dirichlet(np.full(len(TENANTS), 8.0)).tolist(), strict=True))
    return Conditions(topics, tenants)


class Traffic:
    """Traces one after the other; sessions go on across changes of the conditions."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self.world, self.random = world, random
        self.number, self.sessions = 0, 0
        self.open: list[tuple[str, str, int]] = []

    def traces(self, conditions: Conditions, start: datetime, span: timedelta, count: int) -> list[Trace]:
        """So many traces, evenly spread over a span of time."""
        return [self.trace(conditions, start + place * span / count) for place in range(count)]

    def visitor(self, conditions: Conditions) -> tuple[str, str, int]:
        """Tenant, session and topic of the next question."""
        random = self.random
        if self.open and random.random() < 1.0 - 1.0 / TURNS:
            tenant, session, topic = self.open.pop(int(random.integers(len(self.open))))
            if random.random() >= STICKY:
                topic = self.topic(conditions, tenant)
        else:
            names = list(conditions.tenants)
            tenant = names[int(random.choice(len(names), p=list(conditions.tenants.values())))]
            self.sessions += 1
            session, topic = f"s{self.sessions}", self.topic(conditions, tenant)
        self.open = [*self.open[-20:], (tenant, session, topic)]
        return tenant, session, topic

    def topic(self, conditions: Conditions, tenant: str) -> int:
        return int(self.random.choice(len(SUBJECTS), p=conditions.own.get(tenant, conditions.topics)))

    def trace(self, conditions: Conditions, at: datetime) -> Trace:
        random, world = self.random, self.world
        tenant, session, topic = self.visitor(conditions)
        subtopic = int(random.integers(SUBTOPICS))
        shares = [share for share, _ in conditions.deployments]
        deployment = conditions.deployments[int(random.choice(len(shares), p=shares))][1]
        behaviour = deployment.behaviour.at(topic)
        prompt = world.centres[topic] + world.subcentres[topic, subtopic] + 0.6 * random.normal(size=DIMENSION)
        hit = bool(random.random() < conditions.hits)
        # A stale answer is that of the healthy deployment to another question.
        asked = int(random.choice(TOPICS)) if hit and conditions.stale else topic
        source = world.centres[asked] + 0.6 * random.normal(size=DIMENSION) if asked != topic else prompt
        behaviour = HEALTHY if hit else behaviour
        answer = source @ world.image + world.answers[asked] + behaviour.style * world.style
        answer += 0.6 * random.normal(size=DIMENSION)
        words = max(int(random.lognormal(np.log(world.lengths[asked] * behaviour.length), 0.35)), 4)
        refused = bool(random.random() < world.refusals[asked] + behaviour.refusals)
        text = REFUSAL if refused else self.said(asked, words)
        tokens = round(1.3 * len(text.split()))
        surprisal = 0.25 * behaviour.surprisal * random.lognormal(0.0, 0.3)
        latency = 0.02 if hit else (0.3 + 0.02 * tokens) * behaviour.slower * random.lognormal(0.0, 0.2)
        verb = VERBS[int(random.integers(len(VERBS)))]
        self.number += 1
        return Trace(
            id=f"t{self.number}",
            schema_version=SCHEMA_VERSION,
            time=at,
            model=deployment.model,
            output_messages=[OutputMessage(parts=[Part(content=text)], finish_reason="stop")],
            prompt_text=f"How do I {verb} the {SUBJECTS[topic]} number {subtopic + 1}?",
            service=deployment.service,
            segment=Labels(tenant=tenant, session_id=session),
            prompt_template=deployment.template,
            cache=Cache(hit=hit, kind="semantic"),
            usage=Usage(input_tokens=int(random.poisson(40)) + 10, output_tokens=tokens),
            logprobs=None if hit else Logprobs(logprob=(-random.exponential(surprisal, LOGPROBS)).round(4).tolist()),
            timing=Timing(total_s=round(float(latency), 4)),
            embeddings=[embedding("prompt", prompt), embedding("response", answer)],
        )

    def said(self, topic: int, words: int) -> str:
        first = int(self.random.integers(len(FILLER)))
        body = [FILLER[(first + place) % len(FILLER)] for place in range(words)]
        return f"For the {SUBJECTS[topic]} {' '.join(body)}."


def embedding(target: str, vector: NDArray[np.floating], space: str = SPACE) -> Embedding:
    """A unit vector as it travels with a trace."""
    row = (vector / np.linalg.norm(vector)).astype("<f2")
    data = binascii.b2a_base64(row.tobytes(), newline=False).decode()
    return Embedding(target=target, model=space, dim=len(row), encoding="f16le_b64", data=data)


def with_model(deployment: Deployment, **fields: Any) -> Deployment:
    """The same deployment with other fields of its model."""
    return replace(deployment, model=msgspec.structs.replace(deployment.model, **fields))
