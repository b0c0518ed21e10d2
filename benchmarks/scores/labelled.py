"""Labelled answers: RAGTruth, SummEdits and WiCE, as rows of one kind."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["baseless", "conflict"]


@dataclass(frozen=True, slots=True)
class Label:
    """A stretch of an answer that its context does not hold."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Row:
    """One answer.

    Attributes:
        corpus: where it comes from.
        source: what must not be in training and validation at once.
        group: the generator, or the domain.
        labels: unsupported stretches; empty where only the whole was judged, then ``located`` is false.
    """

    corpus: str
    source: str
    group: str
    answer: str
    passages: tuple[str, ...]
    question: str
    labels: tuple[Label, ...]
    bad: bool
    located: bool = True

    def fold(self, folds: int) -> int:
        """By the hash of the source, so that it is the same on every machine and for every subset."""
        return int(hashlib.md5(self.source.encode(), usedforsecurity=False).hexdigest(), 16) % folds


def key_of(row: Row) -> str:
    """A short hash of what was judged."""
    texts = "\0".join([row.source, row.group, row.answer])
    return hashlib.md5(texts.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:12]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def read_ragtruth(responses: Path, sources: Path) -> list[Row]:
    """Answers of RAGTruth's question answering task (arXiv 2401.00396)."""
    known = {line["source_id"]: line["source_info"] for line in _lines(sources)}
    rows = []
    for line in _lines(responses):
        info = known[line["source_id"]]
        passages = tuple(part.strip() for part in re.split(r"passage \d+:", info["passages"]) if part.strip())
        labels = tuple(
            Label(label["start"], label["end"], "conflict" if "Conflict" in label["label_type"] else "baseless")
            for label in line["labels"]
        )
        source = f"rt{line['source_id']}"
        answer, question = line["response"], info["question"]
        rows.append(Row("ragtruth", source, line["model"], answer, passages, question, labels, bool(labels)))
    return rows


def read_summedits(paths: Sequence[Path]) -> list[Row]:
    """Edited summaries of SummEdits (arXiv 2305.14540); the labels are what the edit changed."""
    rows = []
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            items = json.load(file)
        for item in items:
            document, summary = item["doc"], item["summary"]
            bad = not item["label"]
            labels = tuple(_changed(item["original_summary"], summary)) if bad else ()
            source = f"se{hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()[:8]}"
            domain = path.name.removeprefix("summedits_").partition(".")[0]
            rows.append(Row("summedits", source, domain, summary, (document,), "", labels, bad))
    return rows


def read_wice(paths: Sequence[Path]) -> list[Row]:
    """Claims of WiCE (arXiv 2303.01432): with marked words where the file has them, else judged whole."""
    rows = []
    for path in paths:
        for line in _lines(path):
            evidence = "\n".join(line["evidence"])
            source = f"w{hashlib.md5(evidence[:500].encode(), usedforsecurity=False).hexdigest()[:8]}"
            located = "non_supported_spans" in line
            labels = tuple(_marked(line)) if located else ()
            bad = line["label"] != "supported"
            claim = line["claim"]
            rows.append(Row("wice", source, line["label"], claim, (evidence,), "", labels, bad, located))
    return rows


def _changed(original: str, edited: str) -> Iterator[Label]:
    """Words of the edited text that are not the original's; where words were taken out, the word after."""
    pieces = [list(re.finditer(r"\w+|[^\w\s]", text)) for text in (original, edited)]
    before, after = pieces
    matcher = difflib.SequenceMatcher(None, [m.group() for m in before], [m.group() for m in after], autojunk=False)
    for operation, _, _, first, last in matcher.get_opcodes():
        if operation == "equal" or not after:
            continue
        start = min(first, len(after) - 1)
        yield Label(after[start].start(), after[max(last - 1, start)].end(), "conflict")


def _marked(line: dict[str, Any]) -> Iterator[Label]:
    at = 0
    for token, unsupported in zip(line["claim_tokens"], line["non_supported_spans"], strict=True):
        found = line["claim"].find(token, at)
        if found < 0:
            continue
        at = found + len(token)
        if unsupported:
            yield Label(found, at, "baseless")
