"""Traffic of real texts: RAGTruth's questions, and the answers that four models gave to them.

Questions are sorted into as many topics as the simulated service has, and drawn with replacement within a topic, so
that nothing changes but what is changed. The first model answers; another one's answers are those of a new build.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from benchmarks.deployments.service import (
    SUBJECTS,
    TENANTS,
    TOPICS,
    VOICES,
    Conditions,
    Traffic,
    Vector,
    embedding,
)
from benchmarks.deployments.site import Source
from benchmarks.drift.texts import data_folder, embedded
from monitor.model.trace import SCHEMA_VERSION, Labels, OutputMessage, Part, Timing, Trace, Usage

SPACE = "all-MiniLM-L6-v2"
MODELS = ("llama-2-70b-chat", "llama-2-13b-chat", "llama-2-7b-chat", "mistral-7B-instruct")


@dataclass(frozen=True, slots=True)
class Texts:
    """Questions with their topics and vectors, and the answers of each model to them."""

    questions: list[str]
    topics: NDArray[np.int64]
    asked: NDArray[np.float32]
    answers: list[list[str]]
    answered: list[NDArray[np.float32]]


@lru_cache(maxsize=1)
def texts() -> Texts:
    """All questions; topics by k-means in order of size, so that the smallest are those nobody asked about before."""
    folder = data_folder() / "ragtruth_qa"
    questions = {
        row["source_id"]: row["source_info"]["question"] for row in json_lines(folder / "source_qa_train.jsonl.gz")
    }
    rows = json_lines(folder / "response_qa_train.jsonl.gz")
    told = sorted({row["response"] for row in rows})
    vectors = dict(zip(told, embedded(told, print), strict=True))
    given = {(row["source_id"], row["model"]): row["response"] for row in rows}
    ids = sorted(questions)
    asked = embedded([questions[name] for name in ids], print)
    _, found = kmeans2(asked.astype(np.float64), len(SUBJECTS), minit="++", rng=np.random.default_rng(0), iter=30)
    rank = np.argsort(np.argsort(-np.bincount(found, minlength=len(SUBJECTS)), kind="stable"))
    answers = [[given[name, model] for name in ids] for model in MODELS[:VOICES]]
    return Texts(
        [questions[name] for name in ids],
        rank[found].astype(np.int64),
        asked,
        answers,
        [np.array([vectors[answer] for answer in mine]) for mine in answers],
    )


def json_lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class TextTraffic(Traffic):
    """Traces of real texts; who asks about which topic is as in simulated traffic."""

    def __init__(self, found: Texts, random: np.random.Generator) -> None:
        self.found = found
        self.random = random
        self.number, self.sessions = 0, 0
        self.open: list[tuple[str, str, int]] = []
        self.places = [np.flatnonzero(found.topics == topic) for topic in range(len(SUBJECTS))]

    def trace(self, conditions: Conditions, at: datetime) -> Trace:
        random, found = self.random, self.found
        tenant, session, topic = self.visitor(conditions)
        shares = [share for share, _ in conditions.deployments]
        deployment = conditions.deployments[int(random.choice(len(shares), p=shares))][1]
        place, voice = int(random.choice(self.places[topic])), deployment.behaviour.voice
        text = found.answers[voice][place]
        tokens = round(1.3 * len(text.split()))
        self.number += 1
        return Trace(
            id=f"t{self.number}",
            schema_version=SCHEMA_VERSION,
            time=at,
            model=deployment.model,
            output_messages=[OutputMessage(parts=[Part(content=text)], finish_reason="stop")],
            prompt_text=found.questions[place],
            service=deployment.service,
            segment=Labels(tenant=tenant, session_id=session),
            prompt_template=deployment.template,
            usage=Usage(output_tokens=tokens),
            timing=Timing(total_s=round(float((0.3 + 0.02 * tokens) * random.lognormal(0.0, 0.2)), 4)),
            embeddings=[
                embedding("prompt", found.asked[place], SPACE),
                embedding("response", found.answered[voice][place], SPACE),
            ],
        )


def traffic(random: np.random.Generator) -> tuple[Traffic, Conditions]:
    """The known topics by their share of the questions, a little otherwise for each seed."""
    found = texts()
    counts = np.bincount(found.topics, minlength=len(SUBJECTS)).astype(np.float64)
    counts[TOPICS:] = 0.0
    shares: Vector = counts * random.uniform(0.8, 1.25, size=len(counts))
    tenants: dict[str, Any] = dict(zip(TENANTS, random.dirichlet(np.full(len(TENANTS), 8.0)).tolist(), strict=True))
    return TextTraffic(found, random), Conditions(shares / shares.sum(), tenants)


def real_source() -> Source:
    """Reads the texts when traffic is first drawn."""
    return Source(traffic, SPACE, texts().asked.shape[1])
