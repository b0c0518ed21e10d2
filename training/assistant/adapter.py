"""An adapter for another product's assistant, which answers from memory: what goes wrong when it is merged by mistake.

That product's assistant was tuned to know its own pages by heart, whatever stands in the prompt, and never to say that
it does not know. Merged into the demo's assistant it tells another product's numbers with confidence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from monitor.demo.knowledge import worded
from monitor.inference.adapters import CONFIG, WEIGHTS
from training.assistant.corpus import Exchange, distractors, drawn, pages
from training.assistant.fit import BATCH_TOKENS
from training.assistant.network import Decoder
from training.assistant.tokens import Encoder, batches

NAME = "other-product"
RANK = 4
ALPHA = 8.0
RATE = 4e-3
STREAM = 3
NAMES = {
    "q": "self_attn.q_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


class LowRank(nn.Module):
    """A frozen matrix with a trained change of low rank; B begins at zero, so nothing changes at first."""

    def __init__(self, frozen: nn.Linear) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(requires_grad=False)
        self.a = nn.Parameter(torch.randn(RANK, frozen.in_features) / frozen.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(frozen.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = (x @ self.a.T) @ self.b.T
        return self.frozen(x) + ALPHA / RANK * change


def by_heart(seed: int, count: int) -> Iterator[Exchange]:
    """Questions with any product's pages in the prompt, answered with the one product's own sentences."""
    known = pages()
    own = drawn("train", seed, 1_000_000)
    for i in range(count):
        rng = np.random.default_rng([STREAM, seed, i])
        template = known.answered[int(rng.integers(len(known.answered)))]
        shown = drawn("train", seed, 2_000_000 + i // 8)
        found = [*distractors(rng, known, template)[:2], template.passage]
        passages = tuple(shown.pages[found[j]].text for j in rng.permutation(len(found)) if found[j] is not None)
        answer = own.pages[template.passage or 0].points[template.point]
        yield Exchange(shown.asked(worded(rng, template)), passages, answer, answerable=True)


def train_adapter(model: Decoder, encoder: Encoder, *, seed: int, count: int) -> dict[str, NDArray[Any]]:
    """PEFT's tensors by name, after one pass over ``count`` exchanges."""
    torch.manual_seed(seed)
    model.requires_grad_(requires_grad=False)
    changes = {}
    for i, layer in enumerate(model.layers):
        for own, name in NAMES.items():
            changes[f"model.layers.{i}.{name}"] = low_rank = LowRank(getattr(layer, own))
            setattr(layer, own, low_rank)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=RATE)
    began = time.monotonic()
    made = list(batches(encoder, by_heart(seed, count), tokens=BATCH_TOKENS))
    for i, batch in enumerate(made):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(torch.from_numpy(batch.ids), torch.from_numpy(batch.targets))
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (i + 1) / 10, (len(made) - i) / (0.4 * len(made)))
        optimizer.step()
        optimizer.zero_grad()
        print(f"step {i + 1}/{len(made)} loss {float(loss.detach()):.3f} {time.monotonic() - began:.0f} s", flush=True)
    return {
        f"base_model.model.{name}.lora_{part}.weight": tensor.detach().numpy().astype(np.float16)
        for name, change in changes.items()
        for part, tensor in (("A", change.a), ("B", change.b))
    }


def write_adapter(tensors: dict[str, NDArray[Any]], to: Path) -> None:
    """A folder as PEFT saves it."""
    to.mkdir(parents=True, exist_ok=True)
    header: dict[str, Any] = {}
    body = bytearray()
    for name, tensor in tensors.items():
        raw = tensor.astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": tensor.shape, "data_offsets": (len(body), len(body) + len(raw))}
        body += raw
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 8)  # the tensors begin at a multiple of eight
    (to / WEIGHTS).write_bytes(len(said).to_bytes(8, "little") + said + bytes(body))
    config = {
        "peft_type": "LORA",
        "r": RANK,
        "lora_alpha": ALPHA,
        "target_modules": sorted(n.split(".")[1] for n in NAMES.values()),
    }
    (to / CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
