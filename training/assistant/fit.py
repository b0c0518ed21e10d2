"""Training in slices: a run that stops goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.assistant.corpus import Exchange, exchanges
from training.assistant.network import Decoder, begin
from training.assistant.shape import Shape
from training.assistant.tokens import Batch, Encoder, batches

CHUNK = 512
"""Exchanges between two places where a run may stop."""
RATE = 3e-3
BATCH_TOKENS = 6144
Corpus = Callable[[int, int], Iterator[Exchange]]
"""(first, count) to exchanges."""


@dataclass(slots=True)
class Run:
    """A model on its way: ``chunk`` of ``chunks`` are done, in ``seconds`` of one thread."""

    model: Decoder
    optimizers: list[torch.optim.Optimizer]
    chunks: int
    chunk: int = 0
    seconds: float = 0.0
    tokens: int = 0


def fresh(shape: Shape, *, seed: int, chunks: int) -> Run:
    model = Decoder(shape)
    begin(model, seed)
    return Run(model, optimizers(model), chunks)


def optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for all else."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("layers.")]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or not name.startswith("layers.")]
    return [
        torch.optim.Muon(matrices, lr=RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate(progress: float) -> float:
    """The share of the full rate: up over the first 2 %, down to nothing over the last 45 %."""
    return min(1.0, progress / 0.02, (1.0 - progress) / 0.45)


def go_on(run: Run, encoder: Encoder, corpus: Corpus, *, until: float, save: Callable[[Run], None]) -> None:
    """Train until all chunks are done or the clock says ``until``; ``save`` after every tenth chunk and at the end."""
    torch.set_num_threads(1)
    while run.chunk < run.chunks and time.monotonic() < until:
        began = time.monotonic()
        made = list(batches(encoder, corpus(run.chunk * CHUNK, CHUNK), tokens=BATCH_TOKENS))
        losses = [step(run, batch, (run.chunk + i / len(made)) / run.chunks) for i, batch in enumerate(made)]
        run.chunk += 1
        run.tokens += sum(batch.ids.size for batch in made)
        run.seconds += time.monotonic() - began
        print(f"chunk {run.chunk}/{run.chunks} loss {np.mean(losses):.4f} {run.tokens / run.seconds:.0f} tokens/s "
              f"{run.seconds:.0f} s", flush=True)  # fmt: skip
        if run.chunk % 10 == 0:
            save(run)
    save(run)


def step(run: Run, batch: Batch, progress: float) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        loss = run.model.loss(torch.from_numpy(batch.ids), torch.from_numpy(batch.targets))
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = max(1e-6, RATE * rate(progress))
        optimizer.step()
        optimizer.zero_grad()
    return float(loss.detach())


def write(run: Run, path: Path) -> None:
    state = {
        "model": run.model.state_dict(),
        "optimizers": [each.state_dict() for each in run.optimizers],
        "numbers": (run.chunks, run.chunk, run.seconds, run.tokens),
    }
    scratch = path.with_suffix(".new")
    torch.save(state, scratch)
    scratch.replace(path)


def read(path: Path, shape: Shape) -> Run:
    state = torch.load(path, weights_only=True)
    model = Decoder(shape)
    model.load_state_dict(state["model"])
    steps = optimizers(model)
    for optimizer, saved in zip(steps, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return Run(model, steps, *state["numbers"])


def training_exchanges(seed: int) -> Corpus:
    return lambda first, count: exchanges("train", seed, count, first=first)
