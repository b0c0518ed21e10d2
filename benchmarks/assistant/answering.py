"""Greedy answers of a model folder, straight from ONNX Runtime: no server, no sampling, no stopping but at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from monitor.inference.adapter_inputs import adapted
from monitor.inference.card import GRAPH, TOKENIZER
from monitor.inference.runtime import Session, open_session
from training.assistant.corpus import Exchange
from training.assistant.tokens import END, Encoder

MOST_TOKENS = 80
ROWS = 16
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a build said; ``logprob`` of each token in nats, the end included where it came."""

    text: str
    logprob: tuple[float, ...]
    ended: bool


@dataclass(slots=True)
class Answerer:
    """A model folder that answers exchanges with a chat template."""

    encoder: Encoder
    _session: Session = field(repr=False)
    _shapes: dict[str, tuple[int, int]] = field(repr=False)

    @classmethod
    def load(cls, folder: Path, template: Path) -> Answerer:
        session = adapted(open_session(folder / GRAPH), folder, "cpu")
        past = {node.name: node.shape for node in session.get_inputs() if node.name.startswith("past_key_values.")}
        shapes = {name: (int(shape[1] or 0), int(shape[3] or 0)) for name, shape in past.items()}
        return cls(Encoder.of(Tokenizer.from_file(str(folder / TOKENIZER)), template), session, shapes)

    def answers(self, rows: Sequence[Exchange]) -> list[Answer]:
        """An answer for each exchange, in their order."""
        prompts = [self.encoder.prompt(row) for row in rows]
        found: dict[int, Answer] = {}
        order = sorted(range(len(rows)), key=lambda i: len(prompts[i]))
        for first in range(0, len(rows), ROWS):
            some = order[first : first + ROWS]
            found.update(zip(some, self._batch([prompts[i] for i in some]), strict=True))
        return [found[i] for i in range(len(rows))]

    def _batch(self, prompts: list[list[int]]) -> Iterator[Answer]:
        end = self.encoder.tokenizer.token_to_id(END)
        tokens, logprobs = self._decoded(prompts, end)
        for own, values in zip(tokens, logprobs, strict=True):
            ended = end in own
            length = own.index(end) + 1 if ended else len(own)
            text = self.encoder.tokenizer.decode(own[:length])
            yield Answer(text, tuple(values[:length]), ended)

    def _decoded(self, prompts: list[list[int]], end: int) -> tuple[list[list[int]], list[list[float]]]:
        """Tokens and log-probabilities ``(rows, steps)``; rows that ended go on with what no one reads."""
        width = max(map(len, prompts))
        ids, mask = np.zeros((len(prompts), width), np.int64), np.zeros((len(prompts), width), np.int64)
        for i, prompt in enumerate(prompts):
            ids[i, width - len(prompt) :], mask[i, width - len(prompt) :] = prompt, 1
        cache: dict[str, Array] = {
            name: np.zeros((len(prompts), heads, 0, size), np.float32) for name, (heads, size) in self._shapes.items()
        }
        positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
        tokens, logprobs = [], []
        for _ in range(MOST_TOKENS):
            feeds = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, **cache}
            names = ["logits", *(name.replace("past_key_values", "present") for name in cache)]
            logits, *present = self._session.run(names, feeds)
            cache = dict(zip(cache, present, strict=True))
            last = logits[:, -1].astype(np.float64)
            best = last.argmax(axis=1)
            tokens.append(best)
            shifted = last - last.max(axis=1, keepdims=True)
            logprobs.append(-np.log(np.exp(shifted).sum(axis=1)))  # the best one's shifted logit is 0
            if (np.stack(tokens) == end).any(axis=0).all():
                break
            ids, positions = best[:, None], positions[:, -1:] + 1
            mask = np.concatenate([mask, np.ones_like(ids)], axis=1)
        return np.stack(tokens, axis=1).tolist(), np.stack(logprobs, axis=1).tolist()
