"""A user's ONNX model as judge of answers against passages: it labels tokens, or pairs of a passage and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from tokenizers import Encoding, Tokenizer

from detectors.score import Score, Span, insufficient, ok
from detectors.sentences import split
from monitor.errors import Permanent
from monitor.inference.card import CARD, GRAPH, TOKENIZER
from monitor.inference.runtime import Provider, Session, open_session

Rows = NDArray[np.float64]
MARKED = 0.5


class CheckerCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of its ``model.json``.

    Attributes:
        kind: ``tokens`` labels each token of the answer, as LettuceDetect does; ``pair`` a passage (first) with a
            sentence of the answer (second), as models of entailment do.
        labels: of the outputs, in order.
        bad: the labels whose probabilities add up to "unsupported".
        max_length: tokens of passage and answer together; a longer passage is read in windows.
    """

    kind: Literal["tokens", "pair"]
    labels: tuple[str, ...]
    bad: tuple[str, ...]
    max_length: int = 512


@dataclass(slots=True, eq=False)
class Checker:
    """Judges one answer at a time, so that it scores the same bits alone and in a batch; safe to share."""

    card: CheckerCard
    max_tokens_per_run: int
    _inputs: frozenset[str] = field(repr=False)
    _session: Session = field(repr=False)
    _tokenizer: Tokenizer = field(repr=False)
    _whole: Tokenizer = field(repr=False)

    @classmethod
    def load(
        cls, folder: Path, *, threads: int = 1, provider: Provider = "cpu", max_tokens_per_run: int = 4096
    ) -> Self:
        """The model of a folder with ``model.onnx``, ``tokenizer.json`` and ``model.json``.

        Raises:
            Permanent: A file is missing or wrong, or the graph has other outputs than the card has labels.
        """
        try:
            card = msgspec.json.decode((folder / CARD).read_bytes(), type=CheckerCard)
            text = (folder / TOKENIZER).read_text(encoding="utf-8")
            tokenizer, whole = Tokenizer.from_str(text), Tokenizer.from_str(text)
        except OSError as error:
            raise Permanent(f"grounding model {folder}: no {Path(error.filename).name}: {error.strerror}") from error
        except Exception as error:  # tokenizers raises Exception itself
            raise Permanent(f"grounding model {folder}: {error}") from error
        unknown = [label for label in card.bad if label not in card.labels]
        if unknown or not card.bad:
            raise Permanent(f"grounding model {folder}: expected bad to name labels of {card.labels}, got {card.bad}")
        session = open_session(folder / GRAPH, threads=threads, provider=provider)
        shape = session.get_outputs()[0].shape
        ranks = {"tokens": 3, "pair": 2}
        if len(shape) != ranks[card.kind] or shape[-1] != len(card.labels):
            raise Permanent(
                f"grounding model {folder}: expected an output of {ranks[card.kind]} dimensions, the last of"
                f" {len(card.labels)} labels, got {list(shape)}"
            )
        for each in (tokenizer, whole):
            each.no_padding()
            each.no_truncation()
        tokenizer.enable_truncation(card.max_length, strategy="only_first")
        inputs = frozenset(node.name for node in session.get_inputs())
        return cls(card, max_tokens_per_run, inputs, session, tokenizer, whole)

    def score(self, answer: str, passages: Sequence[str]) -> Score:
        """The largest probability of "unsupported" over tokens or sentences, each the smallest over the passages."""
        spans = split(answer)
        if not spans:
            return insufficient("empty answer")
        told = [passage.encode("utf-8", "replace").decode() for passage in passages if passage.strip()]
        if not told:
            return insufficient("no context")
        readable = answer.encode("utf-8", "replace").decode()
        texts = [readable] if self.card.kind == "tokens" else [readable[a:b] for a, b in spans]
        longest = max(len(self._whole.encode(text, add_special_tokens=False).ids) for text in texts)
        # A passage needs room beside it: a quarter, and what the model puts around the two.
        room = self.card.max_length * 3 // 4
        if longest > room:
            return insufficient(f"expected at most {room} tokens of the answer for the model, got {longest}")
        if self.card.kind == "pair":
            return self._of_pairs(texts, told, spans)
        return self._of_tokens(readable, told)

    def _of_pairs(self, texts: Sequence[str], passages: Sequence[str], spans: Sequence[Span]) -> Score:
        groups = [self._windows(passages, text) for text in texts]
        bad = np.concatenate([logits[None] for logits in self._run([row for group in groups for row in group])])
        ends = list(accumulate(len(group) for group in groups))
        worst = [self._bad(rows).min() for rows in np.split(bad, ends[:-1])]
        marked = tuple(span for span, p in zip(spans, worst, strict=True) if p >= MARKED)
        return ok(float(max(worst)), marked)

    def _of_tokens(self, answer: str, passages: Sequence[str]) -> Score:
        windows = self._windows(passages, answer)
        rows = []
        for window, logits in zip(windows, self._run(windows), strict=True):
            own = [place for place, sequence in enumerate(window.sequence_ids) if sequence == 1]
            rows.append(self._bad(logits[own]))
        offsets = [o for o, sequence in zip(windows[0].offsets, windows[0].sequence_ids, strict=True) if sequence == 1]
        p = np.min(rows, axis=0)
        if not len(p):
            return insufficient("no tokens in the answer")
        return ok(float(p.max()), _stretches(answer, offsets, p >= MARKED))

    def _windows(self, passages: Sequence[str], text: str) -> list[Encoding]:
        firsts = [self._tokenizer.encode(passage, text) for passage in passages]
        return [row for first in firsts for row in (first, *first.overflowing)]

    def _bad(self, logits: Rows) -> Rows:
        places = [self.card.labels.index(label) for label in self.card.bad]
        return np.asarray(np.clip(softmax(logits, axis=-1)[..., places].sum(-1), 0.0, 1.0))

    def _run(self, rows: Sequence[Encoding]) -> list[Rows]:
        """The logits of each row, padding cut off; runs hold rows of like length within the budget of tokens."""
        found: dict[int, Rows] = {}
        for places in runs([len(row.ids) for row in rows], self.max_tokens_per_run):
            width = max(len(rows[place].ids) for place in places)
            shape = (len(places), width)
            feeds = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
            for at, place in enumerate(places):
                size = len(rows[place].ids)
                feeds["input_ids"][at, :size] = rows[place].ids
                feeds["attention_mask"][at, :size] = 1
                feeds["token_type_ids"][at, :size] = rows[place].type_ids
            asked = {name: value for name, value in feeds.items() if name in self._inputs}
            logits = np.asarray(self._session.run(None, asked)[0], np.float64)
            for at, place in enumerate(places):
                found[place] = logits[at, : len(rows[place].ids)] if self.card.kind == "tokens" else logits[at]
        return [found[place] for place in range(len(rows))]


def runs(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Places by length, as many at a time as fit the budget once padded; one that is longer goes alone.

    >>> list(runs([5, 2, 9, 3], 8))
    [[1, 3], [0], [2]]
    """
    taken: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: (lengths[place], place)):
        if taken and lengths[place] * (len(taken) + 1) > budget:
            yield taken
            taken = []
        taken.append(place)
    if taken:
        yield taken


def _stretches(answer: str, offsets: Sequence[Span], marked: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Marked tokens, joined where only blanks lie between them."""
    found: list[Span] = []
    for (start, end), bad in zip(offsets, marked, strict=True):
        if not bad or start >= end:
            continue
        if found and not answer[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)
