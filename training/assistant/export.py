"""A trained run as the model folder that ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from monitor.inference.card import GRAPH, TOKENIZER
from monitor.inference.variants import BUILD
from monitor.model.trace import Model
from training.assistant.graph import decoder
from training.assistant.shape import Shape
from training.assistant.tokens import END, PAD, TEMPLATE, TRUNCATED

VERSION = "1.0"
LENGTH = 1024
"""Positions that may be used: the training's longest, with room; the rotary angles go on for ever."""


def export(
    weights: dict[str, NDArray[Any]], shape: Shape, tokenizer: Tokenizer, *, card: dict[str, Any], to: Path
) -> None:
    """Write graph, tokenizer, configuration, templates and card; what was there is replaced."""
    to.mkdir(parents=True, exist_ok=True)
    (to / GRAPH).write_bytes(decoder(weights, shape).SerializeToString())
    tokenizer.save(str(to / TOKENIZER))
    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    config = {
        "model_type": "driftwarden-assistant",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head,
        "max_position_embeddings": LENGTH,
        "eos_token_id": end,
        "pad_token_id": pad,
    }
    put(to / "config.json", config)
    put(to / "tokenizer_config.json", {"eos_token": END, "pad_token": PAD})
    put(to / BUILD, msgspec.to_builtins(Model(name="orrel-assistant", version=VERSION, precision="fp16")))
    put(to / "card.json", card)
    for template in (TEMPLATE, TRUNCATED):
        shutil.copyfile(template, to / template.name)


def put(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def arrays(state: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """A state of torch as numpy."""
    return {name: np.asarray(tensor.detach().numpy(), np.float32) for name, tensor in state.items()}
