"""Ways of judging that are compared on the same folds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.scores.judged import Reading
from benchmarks.scores.labelled import Row
from detectors.evidence import Evidence
from detectors.stems import WORD, stem
from training.grounding.corruption import NAME, Known, corrupt
from training.grounding.network import Example, Head, Recipe, Said, Trained, apply, train
from training.grounding.reading import Library, example, read


@dataclass(frozen=True, slots=True)
class Way:
    """What a head is trained on and how.

    Attributes:
        corpora: whose training folds it sees.
        judges: the corpora it is measured on.
        corrupted: corrupted copies per good training row.
        without: features it does not see.
    """

    told: str
    corpora: tuple[str, ...] = ("ragtruth",)
    judges: tuple[str, ...] = ("ragtruth",)
    corrupted: float = 0.0
    whole: bool = True
    recipe: Recipe = field(default_factory=Recipe)
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Rows with words on both sides, read against their contexts; ``folds (n,)`` by source."""

    rows: Sequence[Row]
    evidences: Sequence[Evidence]
    folds: NDArray[np.intp]
    library: Library

    def of(self, name: str) -> list[int]:
        """Places of one corpus' rows."""
        return [place for place, row in enumerate(self.rows) if row.corpus == name]


def read_corpus(rows: Sequence[Row], known: Library, folds: int) -> Corpus:
    """All rows that can be judged."""
    found = [(row, evidence) for row in rows if (evidence := read(row, known)) is not None]
    kept = [row for row, _ in found]
    return Corpus(kept, [evidence for _, evidence in found], np.array([row.fold(folds) for row in kept]), known)


# Numbered as they were tried; what each gave stands in training/grounding/README.md.
WAYS = {
    "words": Way("comparison features of each word, RAGTruth alone"),
    "lexical": Way(
        "as words, without synonyms and antonyms",
        without=("synonym", "synonym_best", "synonym_near", "antonym_best", "antonym_near", "strange"),
    ),
    "matches": Way(
        "as words, with what tells matches alone: no alignment with sentences, no slots, no cues, no citations",
        without=(
            *("slot", "slot_left", "slot_right", "slot_number", "swapped", "swapped_number", "swapped_capital"),
            *("in_best", "in_three", "number_rivals", "synonym", "synonym_best", "synonym_near", "antonym_best"),
            *("antonym_near", "strange", "absent", "absent_covered", "denial_differs", "cites", "cited_margin"),
            *("cited_cover", "cited_missing", "last_cited_margin", "cover", "cover_three", "cover_second"),
        ),
    ),
    "wide": Way("96 wide, six epochs, dropout .5", recipe=Recipe(epochs=6, hidden=96, dropout=0.5)),
    "joint": Way(
        "RAGTruth, SummEdits and WiCE together",
        corpora=("ragtruth", "summedits", "wice"),
        judges=("ragtruth", "summedits"),
        recipe=Recipe(epochs=5, hidden=96, dropout=0.4, conflict=2.0),
    ),
    "edited": Way(
        "as words, RAGTruth and SummEdits",
        corpora=("ragtruth", "summedits"),
        judges=("ragtruth", "summedits"),
        recipe=Recipe(conflict=2.0),
    ),
    "corrupted": Way("as words, with corrupted copies of good answers", corrupted=1.0, whole=False),
    "joint_corrupted": Way(
        "RAGTruth and SummEdits with corrupted copies of both",
        corpora=("ragtruth", "summedits"),
        judges=("ragtruth", "summedits"),
        corrupted=1.0,
        recipe=Recipe(hidden=96),
    ),
}


def fit(corpus: Corpus, way: Way, places: Sequence[int], *, seed: int) -> Trained:
    """A head trained on some rows."""
    examples = [example(corpus.rows[place], _seen(corpus.evidences[place], way)) for place in places]
    if way.corrupted:
        examples += _corrupted(corpus, way, places, np.random.default_rng(seed))
    return train(examples, way.recipe, seed=seed)


def kept(corpus: Corpus, way: Way, places: Sequence[int], *, seed: int, folder: Path) -> Trained:
    """The head trained on the way's rows at these places, from its checkpoint if there is one, else trained and kept.

    A checkpoint is found by what it was trained on and how: rows, features, recipe and seed.
    """
    places = [place for place in places if corpus.rows[place].corpus in way.corpora]
    rows = [(corpus.rows[place].source, corpus.rows[place].answer) for place in places]
    made = repr((way, seed, corpus.evidences[0].names, rows))
    path = folder / f"{hashlib.sha256(made.encode()).hexdigest()[:24]}.pt"
    if path.exists():
        mean, scale, weights = torch.load(path, weights_only=True)
        head = Head(len(mean), way.recipe.hidden, way.recipe.dropout)
        head.load_state_dict(weights)
        return Trained(head.eval(), mean.numpy(), scale.numpy())
    trained = fit(corpus, way, places, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save((torch.from_numpy(trained.mean), torch.from_numpy(trained.scale), trained.head.state_dict()), path)
    return trained


def out_of_fold(corpus: Corpus, way: Way, *, seed: int, folder: Path, strange: bool = False) -> dict[int, Reading]:
    """What is said of each row by a head that has not seen its source; if ``strange``, nor its generator."""
    said: dict[int, Reading] = {}
    groups = sorted({row.group for row in corpus.rows}) if strange else [None]
    for fold in np.unique(corpus.folds).tolist():
        for group in groups:
            seen = [at for at, row in enumerate(corpus.rows) if corpus.folds[at] != fold and row.group != group]
            own = [at for at, row in enumerate(corpus.rows) if corpus.folds[at] == fold and group in (None, row.group)]
            said |= readings(corpus, way, kept(corpus, way, seen, seed=seed, folder=folder), own)
    return said


def readings(corpus: Corpus, way: Way, trained: Trained, places: Sequence[int]) -> dict[int, Reading]:
    """What a head says of some rows."""
    found = apply(trained, [_seen(corpus.evidences[place], way) for place in places])
    return {place: _reading(corpus.evidences[place], one) for place, one in zip(places, found, strict=True)}


def average(readings: Sequence[Reading]) -> Reading:
    """The mean opinion of several heads on one answer."""
    return Reading(
        np.mean([one.words for one in readings], 0),
        np.mean([one.sentences for one in readings], 0),
        float(np.mean([one.whole for one in readings])),
        readings[0].word_spans,
        readings[0].sentence_spans,
    )


def _reading(evidence: Evidence, said: Said) -> Reading:
    return Reading(said.words, said.sentences, said.whole, evidence.answer.spans, evidence.answer.sentences)


def _seen(evidence: Evidence, way: Way) -> Evidence:
    if not way.without:
        return evidence
    features = evidence.features.copy()
    features[:, [evidence.names.index(name) for name in way.without]] = 0
    return replace(evidence, features=features)


def _corrupted(corpus: Corpus, way: Way, places: Sequence[int], order: np.random.Generator) -> list[Example]:
    good = [place for place in places if not corpus.rows[place].bad and corpus.rows[place].corpus != "wice"]
    known = _known(corpus, places)
    found: list[Example] = []
    for place in order.choice(good, size=int(way.corrupted * len(good))).tolist():
        row = corpus.rows[place]
        made = corrupt(row, corpus.evidences[place], known, order)
        evidence = read(made, corpus.library) if made is not None else None
        if made is not None and evidence is not None:
            found.append(replace(example(made, _seen(evidence, way)), whole=way.whole))
    return found


def _known(corpus: Corpus, places: Sequence[int]) -> Known:
    """Words as they are written in the contexts of training rows."""
    written: dict[str, str] = {}
    names: set[str] = set()
    for place in places:
        for passage in corpus.rows[place].passages:
            names.update(NAME.findall(passage))
            for word in WORD.findall(passage):
                if word.islower():
                    written.setdefault(stem(word), word)
    opposites = {
        one: tuple(written[other] for other in sorted(others) if other in written)
        for one, others in corpus.library.lexicon.antonyms.items()
    }
    return Known({one: others for one, others in opposites.items() if others}, tuple(sorted(names)))
