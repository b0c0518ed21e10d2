"""Exchanges as token ids, and the tokenizer made for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from training.assistant.corpus import Exchange

VOCABULARY = 2048
PAD = "<|pad|>"
END = "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
TRUNCATED = Path(__file__).with_name("chat_template.truncated.jinja")


def template(path: Path = TEMPLATE) -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(path.read_text("utf-8"))


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A byte-level BPE whose digits stand alone, so that no number is a token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@dataclass(frozen=True, slots=True)
class Encoder:
    """Exchanges to ids."""

    tokenizer: Tokenizer
    template: Template

    @classmethod
    def of(cls, tokenizer: Tokenizer, path: Path = TEMPLATE) -> Encoder:
        return cls(tokenizer, template(path))

    def prompt(self, exchange: Exchange) -> list[int]:
        """What stands before the answer."""
        messages = [{"role": "user", "content": exchange.question}]
        if exchange.system:
            messages.insert(0, {"role": "system", "content": exchange.system})
        documents = [{"text": text} for text in exchange.passages]
        return self.ids(self.template.render(messages=messages, documents=documents, add_generation_prompt=True))

    def answer(self, exchange: Exchange) -> list[int]:
        return self.ids(exchange.answer + END)

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """``ids (b, t)`` padded on the right with 0; ``targets (b, t)`` the next token within answers, -1 elsewhere."""

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]


def batches(encoder: Encoder, rows: Iterable[Exchange], *, tokens: int, sorted_over: int = 512) -> Iterator[Batch]:
    """Batches of at most ``tokens`` with padding; neighbours in length stand together, batches in random order."""
    rng = np.random.default_rng(0)
    waiting: list[tuple[list[int], list[int]]] = []
    for row in rows:
        waiting.append((encoder.prompt(row), encoder.answer(row)))
        if len(waiting) == sorted_over:
            yield from shuffled(rng, waiting, tokens)
            waiting = []
    yield from shuffled(rng, waiting, tokens)


def shuffled(rng: np.random.Generator, rows: list[tuple[list[int], list[int]]], tokens: int) -> Iterator[Batch]:
    rows = sorted(rows, key=lambda row: len(row[0]) + len(row[1]))
    groups: list[list[tuple[list[int], list[int]]]] = [[]]
    for row in rows:
        if (len(groups[-1]) + 1) * (len(row[0]) + len(row[1])) > tokens:
            groups.append([])
        groups[-1].append(row)
    for i in rng.permutation(len(groups)):
        if groups[i]:
            yield padded(groups[i])


def padded(rows: list[tuple[list[int], list[int]]]) -> Batch:
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids, targets = np.zeros((len(rows), width), np.int64), np.full((len(rows), width), -1, np.int64)
    for i, (prompt, answer) in enumerate(rows):
        ids[i, : len(prompt) + len(answer)] = prompt + answer
        targets[i, len(prompt) - 1 : len(prompt) + len(answer) - 1] = answer
    return Batch(ids, targets)
