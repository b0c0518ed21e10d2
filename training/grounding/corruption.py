"""Answers made wrong on purpose: facts swapped within the same words, and passages taken away.

Only rows of the training folds may be corrupted: the corruption of a validation answer still holds its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.scores.labelled import Label, Row
from detectors.cues import NEGATIONS
from detectors.evidence import Evidence
from detectors.score import Span
from detectors.stems import WORD, stem

# An edit: what stands at the span is replaced by the text.
Edit = tuple[Span, str]

_VERB = re.compile(r"\b(is|are|was|were|can|will|should|may|must|does|do|did|has|have|had)\b")
_CITATION = re.compile(r"\b([Pp]assages? )(\d)\b")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")
_MARGIN = 0.35


@dataclass(frozen=True, slots=True)
class Known:
    """What corruption draws from.

    Attributes:
        antonyms: words by the stem of their opposite, as written.
        names: capitalised words of many contexts.
    """

    antonyms: dict[str, tuple[str, ...]]
    names: tuple[str, ...]


def corrupt(row: Row, evidence: Evidence, known: Known, order: np.random.Generator) -> Row | None:
    """The row with one to three of its supported facts changed, or a passage dropped; None where nothing can be."""
    if len(row.passages) > 1 and order.random() < 0.2:
        return without_passage(row, evidence, order)
    ways: list[Callable[[Row, Known, np.random.Generator], list[Edit]]] = [
        numbers,
        names,
        opposites,
        denials,
        citations,
    ]
    weights = np.array([0.3, 0.25, 0.2, 0.1, 0.15])
    edits: list[Edit] = []
    for way in order.choice(len(ways), size=int(order.integers(1, 4)), p=weights):
        possible = [edit for edit in ways[way](row, known, order) if not _touches(edit[0], row, edits)]
        if possible:
            edits.append(possible[int(order.integers(len(possible)))])
    return applied(row, edits) if edits else None


def applied(row: Row, edits: Sequence[Edit]) -> Row:
    """The row with the edits made, each labelled a conflict; older labels are moved along."""
    text, labels = row.answer, list(row.labels)
    for (start, end), new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
        grown = len(new) - (end - start)
        labels = [Label(o.start + grown, o.end + grown, o.kind) if o.start >= end else o for o in labels]
        labels.append(Label(start, start + max(1, len(new)), "conflict"))
    return replace(row, answer=text, labels=tuple(labels), bad=True)


def numbers(row: Row, _known: Known, order: np.random.Generator) -> list[Edit]:
    """A number becomes another of the context, or a near one."""
    context = re.findall(r"\d+(?:[.,]\d+)*", " ".join(row.passages))
    edits = []
    for match in re.finditer(r"\d+(?:[.,]\d+)*", row.answer):
        own = match.group()
        others = [number for number in context if number != own and abs(len(number) - len(own)) <= 1]
        if others and order.random() < 0.6:
            edits.append((match.span(), others[int(order.integers(len(others)))]))
        elif own.isdigit() and len(own) < 9:
            near = str(int(int(own) * order.choice([0.5, 2, 3]) + order.integers(1, 4)))
            edits += [(match.span(), near)] if near != own else []
    return edits


def names(row: Row, known: Known, order: np.random.Generator) -> list[Edit]:
    """A name becomes another of the context, or of another context."""
    found = list(NAME.finditer(row.answer))
    context = sorted({name for passage in row.passages for name in NAME.findall(passage)})
    edits = []
    for match in found:
        pool = [name for name in context if name != match.group()] if order.random() < 0.7 else list(known.names)
        if pool:
            edits.append((match.span(), pool[int(order.integers(len(pool)))]))
    return edits


def opposites(row: Row, known: Known, order: np.random.Generator) -> list[Edit]:
    """A word becomes its opposite."""
    edits = []
    for match in WORD.finditer(row.answer):
        choices = known.antonyms.get(stem(match.group())) if match.group().islower() else None
        if choices:
            edits.append((match.span(), choices[int(order.integers(len(choices)))]))
    return edits


def denials(row: Row, _known: Known, _order: np.random.Generator) -> list[Edit]:
    """A verb is denied, or a denial taken away."""
    edits = [((match.end(), match.end()), " not") for match in _VERB.finditer(row.answer)]
    taken = [match for match in WORD.finditer(row.answer) if match.group().lower() in NEGATIONS & {"not", "never"}]
    return edits + [((match.start(), match.end() + 1), "") for match in taken]


def citations(row: Row, _known: Known, order: np.random.Generator) -> list[Edit]:
    """A passage cited becomes another."""
    if len(row.passages) < 2:
        return []
    edits = []
    for match in _CITATION.finditer(row.answer):
        others = [number for number in range(1, len(row.passages) + 1) if str(number) != match.group(2)]
        edits.append((match.span(2), str(others[int(order.integers(len(others)))])))
    return edits


def without_passage(row: Row, evidence: Evidence, order: np.random.Generator) -> Row | None:
    """The row without one passage; sentences that it alone held are baseless now."""
    gone = int(order.integers(len(row.passages)))
    left = " ".join(passage for number, passage in enumerate(row.passages) if number != gone)
    known = {stem(word) for word in WORD.findall(left)}
    held = evidence.features[:, evidence.names.index("held")] > 0
    answer = evidence.answer
    labels = list(row.labels)
    for at, (span, (passage, _)) in enumerate(zip(answer.sentences, evidence.best, strict=True)):
        words = np.flatnonzero((answer.sentence == at) & answer.content & held)
        lost = [answer.stems[word] not in known for word in words]
        if passage == gone and len(lost) >= 3 and np.mean(lost) > _MARGIN:
            labels.append(Label(*span, "baseless"))
    if len(labels) == len(row.labels):
        return None
    passages = tuple(passage for number, passage in enumerate(row.passages) if number != gone)
    return replace(row, passages=passages, labels=tuple(labels), bad=True)


def _touches(span: Span, row: Row, edits: Sequence[Edit]) -> bool:
    taken = [(label.start, label.end) for label in row.labels] + [edit[0] for edit in edits]
    return any(start < span[1] + 1 and end > span[0] - 1 for start, end in taken)
