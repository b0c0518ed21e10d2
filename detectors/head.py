"""A small network over the words of an answer: convolutions over words, pooled into sentences and the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.alignment import Floats, Indices
from detectors.evidence import Evidence

# Dilation of each convolution; each sees two words to either side, that many words apart.
STEPS = (1, 2, 4)
_REACH = 2
# Features whose standard deviation in training was less hardly varied.
STILL = 0.01

_LAYERS = ("enter", "sentence", "join", "word_out", "sentence_out", "answer", "answer_out")


@dataclass(frozen=True, slots=True)
class Head:
    """Weights of one trained head.

    Attributes:
        mean: ``(k,)`` of the features in training; ``scale (k,)`` their standard deviation.
        weights: matrices ``(in, out)`` and biases by name: ``enter``, ``enter.bias``, …; ``convolution.0`` stacks the
            five taps, ``(5 · hidden, hidden)``; ``embedding`` is ``(buckets, 8)``.
    """

    mean: Floats
    scale: Floats
    weights: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Logits:
    """What a head says: of ``t`` words, of ``s`` sentences and of the whole answer; above 0 is unsupported."""

    words: Floats
    sentences: Floats
    whole: float


def run(head: Head, evidence: Evidence) -> Logits:
    """One answer at a time: a product of matrices gives other bits in another shape, and a batch would be one."""
    weights = head.weights
    sentence, count = evidence.answer.sentence, len(evidence.answer.sentences)
    normal = (evidence.features - head.mean) / head.scale
    # What hardly varied in training, such as the number of passages, was not learned from; elsewhere it varies much.
    still = head.scale < STILL
    normal[:, still] = np.clip(normal[:, still], -1.0, 1.0)
    x = _relu(_dense(weights, "enter", np.concatenate([normal, weights["embedding"][evidence.buckets]], 1)))
    for number, step in enumerate(STEPS):
        x += _relu(_convolution(weights, f"convolution.{number}", x, step))
    starts = np.searchsorted(sentence, np.arange(count))
    sizes = np.diff(np.append(starts, len(sentence)))[:, None].astype(np.float32)
    pooled = np.concatenate([np.add.reduceat(x, starts, 0) / sizes, np.maximum.reduceat(x, starts, 0)], 1)
    told = _relu(_dense(weights, "sentence", pooled))
    average = told.mean(0)
    word = x + _relu(_joined(weights, x, told, (average, sentence)))
    whole = np.concatenate([average, told.max(0), word.max(0)])
    return Logits(
        _dense(weights, "word_out", word)[:, 0],
        _dense(weights, "sentence_out", told)[:, 0],
        float(_dense(weights, "answer_out", _relu(_dense(weights, "answer", whole)))[0]),
    )


def check(weights: Mapping[str, NDArray[Any]], features: int) -> None:
    """Raise ``ValueError`` where the shapes do not fit together."""
    hidden = weights["enter"].shape[1]
    wide = {"enter": features + weights["embedding"].shape[1], "sentence": 2 * hidden, "join": 3 * hidden}
    wide |= {"answer": 3 * hidden, "word_out": hidden, "sentence_out": hidden, "answer_out": hidden}
    wide |= {f"convolution.{number}": (2 * _REACH + 1) * hidden for number in range(len(STEPS))}
    for name, size in wide.items():
        out = 1 if name.endswith("_out") else hidden
        for part, expected in ((name, (size, out)), (f"{name}.bias", (out,))):
            if (got := weights[part].shape) != expected:
                raise ValueError(f"{part}: expected shape {expected}, got {got}")


def _dense(weights: Mapping[str, Floats], name: str, x: Floats) -> Floats:
    return np.asarray(x @ weights[name] + weights[f"{name}.bias"])


def _joined(weights: Mapping[str, Floats], x: Floats, told: Floats, around: tuple[Floats, Indices]) -> Floats:
    """The word, its sentence and the average of all sentences, each through its part of one matrix."""
    average, sentence = around
    hidden = x.shape[1]
    matrix = weights["join"]
    of_sentence = told @ matrix[hidden : 2 * hidden]
    shared = average @ matrix[2 * hidden :] + weights["join.bias"]
    return np.asarray(x @ matrix[:hidden] + of_sentence[sentence] + shared)


def _convolution(weights: Mapping[str, Floats], name: str, x: Floats, step: int) -> Floats:
    edge = _REACH * step
    padded = np.pad(x, ((edge, edge), (0, 0)))
    taps = [padded[tap * step : tap * step + len(x)] for tap in range(2 * _REACH + 1)]
    return _dense(weights, name, np.concatenate(taps, 1))


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0, out=x)
