"""The head in PyTorch: trained here, run by `detectors/head.py` in numpy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from detectors.evidence import BUCKETS, Evidence
from detectors.head import STILL

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """An answer read against its context, with what people said of it.

    Attributes:
        words: ``(t,)`` 0 supported, 1 baseless, 2 in conflict with the context.
        bad: anything in the answer is unsupported.
        located: the words are judged, not only the whole.
        whole: the whole is judged, not only the words.
    """

    evidence: Evidence
    words: NDArray[np.int8]
    bad: bool
    located: bool = True
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the head is trained."""

    epochs: int = 4
    rate: float = 3e-3
    batch: int = 24
    hidden: int = 64
    dropout: float = 0.35
    decay: float = 0.02
    positive: float = 1.5
    """Weight of an unsupported word, next to a supported one."""
    conflict: float = 1.0
    """Further weight of a word in conflict."""


class Head(nn.Module):
    """Words are read with their neighbours, gathered into sentences, and sentences into the answer.

    A residual stack of dilated convolutions over the words; mean and maximum over each sentence; each word then sees
    its sentence and the mean of all sentences. Three outputs: logits of words, of sentences and of the answer.
    """

    def __init__(self, features: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(BUCKETS, 8)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.enter = nn.Linear(features + 8, hidden)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(hidden, hidden, 5, padding=2 * step, dilation=step) for step in (1, 2, 4)
        )
        self.sentence = nn.Linear(2 * hidden, hidden)
        self.join = nn.Linear(3 * hidden, hidden)
        self.word_out = nn.Linear(hidden, 1)
        self.sentence_out = nn.Linear(hidden, 1)
        self.answer = nn.Linear(3 * hidden, hidden)
        self.answer_out = nn.Linear(hidden, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, buckets: Tensor, sentence: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Logits ``(b, t)``, ``(b, s)``, ``(b,)`` of ``(b, t, k)`` features; ``sentence (b, t)`` is -1 past the end."""
        kept = (sentence >= 0).float()[..., None]
        x = torch.relu(self.enter(torch.cat([features, self.dropout(self.embedding(buckets))], -1))) * kept
        for layer in self.convolutions:
            x = (x + torch.relu(layer(self.dropout(x).transpose(1, 2)).transpose(1, 2))) * kept
        index = sentence.clamp(min=0)[..., None].expand(x.shape)
        empty = x.new_zeros(x.shape[0], count, x.shape[2])
        size = x.new_zeros(x.shape[0], count, 1).scatter_add(1, index[..., :1], kept)
        mean = empty.scatter_add(1, index, x) / size.clamp(min=1)
        peak = empty.scatter_reduce(1, index, x, "amax", include_self=True)
        real = (size > 0).float()
        told = torch.relu(self.sentence(torch.cat([mean, peak], -1))) * real
        average = told.sum(1) / real.sum(1).clamp(min=1)
        around = average[:, None].expand(x.shape)
        word = torch.relu(self.join(torch.cat([x, told.gather(1, index), around], -1))) + x
        word = self.dropout(word)
        whole = torch.cat([average, told.max(1).values, (word * kept).max(1).values], -1)
        whole = torch.relu(self.answer(self.dropout(whole)))
        return (
            self.word_out(word)[..., 0],
            self.sentence_out(self.dropout(told))[..., 0],
            self.answer_out(self.dropout(whole))[..., 0],
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """A head with the mean and scale of the features it was trained on."""

    head: Head
    mean: Floats
    scale: Floats


@dataclass(frozen=True, slots=True)
class Said:
    """What a head says of one answer: probabilities of its words and sentences, and the logit of the whole."""

    words: Floats
    sentences: Floats
    whole: float


def train(
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    seed: int,
    report: Callable[[str], None] = lambda _: None,
) -> Trained:
    """A head trained on the examples with AdamW and one cycle of the learning rate."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    stacked = np.concatenate([example.evidence.features for example in examples])
    mean, scale = stacked.mean(0), stacked.std(0) + np.float32(1e-3)
    head = Head(len(mean), recipe.hidden, recipe.dropout)
    optimizer = torch.optim.AdamW(head.parameters(), recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * len(_batches(examples, recipe.batch, order))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=steps + recipe.epochs, pct_start=0.15
    )
    began = time.perf_counter()
    for epoch in range(recipe.epochs):
        head.train()
        losses = []
        for rows in _batches(examples, recipe.batch, order):
            batch = [examples[row] for row in rows]
            loss = _loss(head, batch, (mean, scale), recipe)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        report(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.perf_counter() - began:.0f} s")
    return Trained(head.eval(), mean, scale)


@torch.no_grad()
def apply(trained: Trained, evidences: Sequence[Evidence]) -> list[Said]:
    """What the head says of each answer."""
    said: dict[int, Said] = {}
    by_length = sorted(range(len(evidences)), key=lambda row: len(evidences[row].buckets))
    for first in range(0, len(by_length), 32):
        rows = by_length[first : first + 32]
        features, *others = _inputs([evidences[row] for row in rows], trained.mean, trained.scale)
        # As `detectors.head.run` does it.
        still = torch.from_numpy(trained.scale < STILL)
        features[..., still] = features[..., still].clamp(-1.0, 1.0)
        words, sentences, whole = trained.head(features, *others)
        for at, row in enumerate(rows):
            answer = evidences[row].answer
            said[row] = Said(
                torch.sigmoid(words[at, : len(answer.words)]).numpy(),
                torch.sigmoid(sentences[at, : len(answer.sentences)]).numpy(),
                float(whole[at]),
            )
    return [said[row] for row in range(len(evidences))]


def _batches(examples: Sequence[Example], size: int, order: np.random.Generator) -> list[list[int]]:
    """Batches of neighbours in length, out of shuffled chunks, in shuffled order."""
    rows = order.permutation(len(examples)).tolist()
    batches: list[list[int]] = []
    for first in range(0, len(rows), 512):
        chunk = sorted(rows[first : first + 512], key=lambda row: len(examples[row].words))
        batches += [chunk[at : at + size] for at in range(0, len(chunk), size)]
    order.shuffle(batches)
    return batches


def _inputs(evidences: Sequence[Evidence], mean: Floats, scale: Floats) -> tuple[Tensor, Tensor, Tensor, int]:
    longest = max(len(evidence.buckets) for evidence in evidences)
    features = np.zeros((len(evidences), longest, len(mean)), np.float32)
    buckets = np.zeros((len(evidences), longest), np.int64)
    sentence = np.full((len(evidences), longest), -1, np.int64)
    for row, evidence in enumerate(evidences):
        size = len(evidence.buckets)
        features[row, :size] = (evidence.features - mean) / scale
        buckets[row, :size] = evidence.buckets
        sentence[row, :size] = evidence.answer.sentence
    count = max(len(evidence.answer.sentences) for evidence in evidences)
    return torch.from_numpy(features), torch.from_numpy(buckets), torch.from_numpy(sentence), count


def _loss(head: Head, batch: Sequence[Example], norm: tuple[Floats, Floats], recipe: Recipe) -> Tensor:
    features, buckets, sentence, count = _inputs([example.evidence for example in batch], *norm)
    kind = torch.zeros(sentence.shape)
    for row, example in enumerate(batch):
        kind[row, : len(example.words)] = torch.from_numpy(example.words.astype(np.float32))
    located = torch.tensor([float(example.located) for example in batch])[:, None]
    judged = torch.tensor([float(example.whole) for example in batch])
    bad = torch.tensor([float(example.bad) for example in batch])
    kept = (sentence >= 0).float() * located
    wrong = (kind > 0).float()
    index = sentence.clamp(min=0)
    wrong_sentence = torch.zeros(len(batch), count).scatter_reduce(1, index, wrong, "amax", include_self=True)
    real = torch.zeros(len(batch), count).scatter_reduce(1, index, kept, "amax", include_self=True)
    words, sentences, whole = head(features, buckets, sentence, count)
    weight = kept * (1 + (recipe.positive - 1) * wrong) * (1 + (recipe.conflict - 1) * (kind == 2))

    def mean_loss(logits: Tensor, target: Tensor, share: Tensor, size: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (each * share).sum() / size.sum().clamp(min=1)

    return (
        mean_loss(words, wrong, weight, kept)
        + 0.5 * mean_loss(sentences, wrong_sentence, real, real)
        + mean_loss(whole, bad, judged, judged)
    )
