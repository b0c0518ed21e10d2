"""The model of the benchmarks, requests of mixed lengths, and a scheduler over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np

from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.seeded import Export, Shape, seeded_folder
from monitor.model.generation import Ask
from monitor.worker import Scheduler, Words

SLOTS = 8
LENGTH = 640
# About 7 million weights: small enough to repeat, large enough that the model and not Python takes the time.
SHAPE = Shape(vocabulary=8192, width=256, layers=6, heads=4, kv_heads=2, inner=768, positions=1024)
# Nearer to what people serve, where what surrounds the model is a smaller part of a request.
LARGER = Shape(vocabulary=8192, width=768, layers=8, heads=12, kv_heads=4, inner=2048, positions=1024)


@dataclass(frozen=True, slots=True)
class Work:
    """A request: a prompt, and how many tokens its answer has."""

    prompt: Sequence[int]
    tokens: int


def folder(root: Path, export: Export, shape: Shape = SHAPE) -> Path:
    return seeded_folder(root / f"{export}-{shape.width}", export, shape)


def decoder(path: Path) -> Decoder:
    return Decoder.load(path / "model.onnx", slots=SLOTS, length=LENGTH)


def mixed(count: int, seed: int = 1) -> list[Work]:
    """Log-normal lengths: prompts of 32 tokens in the median, answers of 40, one in ten beyond 150, at most 400."""
    rng = np.random.default_rng(seed)
    prompts = np.clip(rng.lognormal(np.log(32), 0.8, count), 4, 200).astype(int)
    answers = np.clip(rng.lognormal(np.log(40), 1.0, count), 4, 400).astype(int)
    return [
        Work(rng.integers(0, 256, prompt).tolist(), int(answer))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def asks(work: Sequence[Work]) -> list[Ask]:
    """Greedy, and to the last token: the words of `scheduler` have no end."""
    return [Ask(prompt=each.prompt, most_tokens=each.tokens, temperature=0.0) for each in work]


def scheduler(model: Decoder, waiting: int) -> Scheduler:
    """A scheduler that tells nobody; driven by hand."""
    return Scheduler(
        model, Words([b"x"] * model.vocabulary, frozenset()), waiting=waiting, deliver=lambda _told: None,
        timer=perf_counter, clock=lambda: datetime.now(UTC), emit=lambda _event: None,
    )  # fmt: skip
