"""The changes that are injected, each with the cause that an alert should name first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.deployments.service import (
    HITS,
    NEWCOMER,
    SUBJECTS,
    TOPICS,
    VOICES,
    Behaviour,
    Conditions,
    Deployment,
    with_model,
)
from detectors.cause import Kind
from monitor.model.build import build_name
from monitor.model.trace import Adapter, PromptTemplate, Quantization, Service


@dataclass(frozen=True, slots=True)
class Change:
    """What holds after a change, and its cause by kind and name; no kind where nothing changed that matters."""

    after: Conditions
    kind: Kind | None
    name: str = ""


Draw = Callable[[np.random.Generator, Conditions], Change]
OLD = Deployment()
INT4 = with_model(OLD, revision="b2", precision="int4", quantization=Quantization("awq", 4, 128))


def worse(random: np.random.Generator) -> Behaviour:
    """An over-quantized model: other lengths, more refusals, more surprise, another manner."""
    return Behaviour(
        length=float(random.choice([0.7, 1.35])),
        refusals=float(random.uniform(0.04, 0.15)),
        surprisal=float(random.uniform(1.2, 1.6)),
        style=float(random.uniform(0.2, 0.5)),
    )


def otherwise(random: np.random.Generator) -> Behaviour:
    """Another manner of the same quality."""
    return Behaviour(length=float(random.choice([0.75, 1.3])), style=float(random.uniform(0.25, 0.5)))


def rolled_out(before: Conditions, new: Deployment, share: float) -> Conditions:
    """The new deployment answers this share of the traffic."""
    kept = tuple((1.0 - share, old) for _, old in before.deployments if share < 1.0)
    return replace(before, deployments=(*kept, (share, new)))


def some_share(random: np.random.Generator) -> float:
    """A canary, a half, or all."""
    return float(random.choice([0.3, 0.5, 1.0]))


def quantized(random: np.random.Generator, before: Conditions) -> Change:
    new = replace(INT4, behaviour=worse(random))
    return Change(rolled_out(before, new, some_share(random)), "build", build_name(new.model, new.template))


def partly(random: np.random.Generator, before: Conditions) -> Change:
    """A quantized build that refuses most questions of the most frequent topic and is sound otherwise."""
    topic = int(before.topics.argmax())
    new = replace(INT4, behaviour=Behaviour(refusals=float(random.uniform(0.5, 0.9)), only=topic))
    return Change(rolled_out(before, new, some_share(random)), "build", build_name(new.model, new.template))


def adapted(random: np.random.Generator, before: Conditions) -> Change:
    new = replace(with_model(OLD, adapter=Adapter("support", "4")), behaviour=otherwise(random))
    return Change(rolled_out(before, new, some_share(random)), "adapter", "support@4")


def templated(random: np.random.Generator, before: Conditions) -> Change:
    new = replace(OLD, template=PromptTemplate("help", "8"), behaviour=otherwise(random))
    return Change(rolled_out(before, new, some_share(random)), "prompt_template", "help@8")


def stale(random: np.random.Generator, before: Conditions) -> Change:
    """The semantic cache serves answers to other questions; at times it also answers more often."""
    hits = HITS if random.random() < 0.5 else float(random.uniform(0.3, 0.5))
    return Change(replace(before, hits=hits, stale=True), "cache", "semantic")


def silent(random: np.random.Generator, before: Conditions) -> Change:
    """A provider swaps the model behind its name."""
    return Change(rolled_out(before, replace(OLD, behaviour=worse(random)), 1.0), "model")


def mixed(random: np.random.Generator, before: Conditions) -> Change:
    """The same topics in other shares: at least a quarter of the traffic asks otherwise."""
    while True:
        topics = np.zeros(len(SUBJECTS))
        topics[:TOPICS] = random.dirichlet(np.full(TOPICS, 0.8))
        if 0.25 < 0.5 * np.abs(topics - before.topics).sum() < 0.6:
            return Change(replace(before, topics=topics), "traffic_mix")


def novel(random: np.random.Generator, before: Conditions) -> Change:
    """A topic that nobody asked about before."""
    share = float(random.uniform(0.08, 0.25))
    topics = (1.0 - share) * before.topics
    topics[int(random.integers(TOPICS, len(SUBJECTS)))] = share
    return Change(replace(before, topics=topics), "new_topic")


def onboarded(random: np.random.Generator, before: Conditions) -> Change:
    """A tenant comes with questions of its own: a few of the known topics, at times a new one."""
    share = float(random.uniform(0.15, 0.35))
    own = np.zeros(len(SUBJECTS))
    own[random.choice(TOPICS, 2, replace=False)] = 0.5
    if random.random() < 0.5:
        own = 0.5 * own
        own[int(random.integers(TOPICS, len(SUBJECTS)))] = 0.5
    tenants = {name: (1.0 - share) * old for name, old in before.tenants.items()} | {NEWCOMER: share}
    return Change(replace(before, tenants=tenants, own={NEWCOMER: own}), "tenant", NEWCOMER)


def swapped(random: np.random.Generator, before: Conditions) -> Change:
    """Another model's answers, under another build of the same name: for real texts."""
    new = replace(INT4, behaviour=Behaviour(voice=int(random.integers(1, VOICES))))
    return Change(rolled_out(before, new, some_share(random)), "build", build_name(new.model, new.template))


def beside(change: Draw, new: Deployment) -> Draw:
    """The change while a harmless deployment is rolled out at the same time."""

    def both(random: np.random.Generator, before: Conditions) -> Change:
        found = change(random, before)
        return replace(found, after=rolled_out(found.after, new, some_share(random)))

    return both


def nothing(_random: np.random.Generator, before: Conditions) -> Change:
    return Change(before, None)


HARMLESS_SERVICE = replace(OLD, service=Service("gateway", "1.5"))
HARMLESS_TEMPLATE = replace(OLD, template=PromptTemplate("help", "8"))

# Name, change, and whether it is one of traffic alone.
CHANGES: Mapping[str, tuple[Draw, bool]] = {
    "quantized build": (quantized, False),
    "build refuses one topic": (partly, False),
    "another model's answers": (swapped, False),
    "adapter": (adapted, False),
    "template version": (templated, False),
    "stale cache": (stale, False),
    "stale cache + harmless build": (beside(stale, INT4), False),
    "silent model swap": (silent, False),
    "traffic mix": (mixed, True),
    "traffic mix + harmless build": (beside(mixed, INT4), True),
    "new topic": (novel, True),
    "new topic + harmless build": (beside(novel, INT4), True),
    "tenant": (onboarded, True),
    "tenant + harmless template": (beside(onboarded, HARMLESS_TEMPLATE), True),
}

# Those that need no simulated behaviour, and the one that is of real answers.
ONLY_REAL = ("another model's answers",)
REAL = (
    *ONLY_REAL, "traffic mix", "traffic mix + harmless build", "new topic", "new topic + harmless build", "nothing",
    "harmless build",
)  # fmt: skip

# Nothing that matters changes: an alarm would be a false one.
NULLS: Mapping[str, tuple[Draw, bool]] = {
    "nothing": (nothing, True),
    "harmless build": (beside(nothing, INT4), True),
    "harmless service release": (beside(nothing, HARMLESS_SERVICE), True),
}
