"""Comparisons of each word with the context: itself, its neighbours, and what stands in its place there."""

from __future__ import annotations

import numpy as np

from detectors import cues, words
from detectors.alignment import NEAR, Alignment, Answer, Context, moved
from detectors.facts import Columns, SentenceFacts, WordFacts, related, side_by_side
from detectors.lexicon import Lexicon

_WINDOW = 6


def word_columns(answer: Answer, context: Context, facts: WordFacts) -> Columns:
    lower = [word.lower() for word in answer.words]
    first = {stem: place for place, stem in reversed(list(enumerate(answer.stems)))}
    seen = np.array([first[stem] < place for place, stem in enumerate(answer.stems)])
    return {
        "held": facts.held,
        "exact": np.array([word in context.exact for word in lower]),
        "grammar": np.array([word in words.GRAMMAR for word in lower]),
        "self": np.array([word in words.SELF_REFERENCE for word in lower]),
        "content": answer.content,
        "number": facts.digit,
        "number_novel": facts.digit & facts.novel,
        "capital": facts.capital,
        "capital_novel": facts.capital & facts.novel,
        "rarity": facts.rarity,
        "novel_rarity": facts.novel * facts.weight,
        "asked": facts.asked,
        "seen": seen,
        "novel_seen": facts.novel & seen,
        "pointer": answer.pointer,
        "letters": np.array([min(len(word), 12) / 12 for word in lower]),
        "negation": np.array([word.replace("’", "'") in cues.NEGATIONS for word in lower]),
        "hedge": np.array([cues.HEDGE.fullmatch(word) is not None for word in lower]),
    }


def neighbourhood_columns(
    answer: Answer, context: Context, alignment: Alignment, facts: WordFacts, lexicon: Lexicon
) -> Columns:
    """The place of the context that holds most of a word's window of six to either side, and what stands there."""
    count, size = alignment.match.shape
    rows = np.arange(count)
    low, high = np.maximum(rows - _WINDOW, 0), np.minimum(rows + _WINDOW + 1, count)
    mass = np.cumsum(facts.weight[:, None] * alignment.near, 0, dtype=np.float32)
    upto = np.concatenate([np.zeros((1, size), np.float32), mass])
    norm = np.concatenate([np.zeros(1, np.float32), np.cumsum(facts.weight, dtype=np.float32)])
    shares = (upto[high] - upto[low]) / (norm[high] - norm[low] + np.float32(1e-3))[:, None]
    anchor = shares.argmax(1)
    at_anchor = alignment.near[rows, anchor]
    distance = np.where(alignment.match, np.abs(np.arange(size) - anchor[:, None]), size).min(1)
    region = [context.stems[max(0, at - NEAR) : at + NEAR + 1] for at in anchor.tolist()]
    run = alignment.run
    pair = side_by_side(alignment.match)
    return {
        "run": np.log1p(np.minimum(run, 30)) / 3,
        "run_3": run >= 3,
        "run_6": run >= 6,
        "pair_left": np.append(False, pair),
        "pair_right": np.append(pair, False),
        "near": shares.max(1),
        "own": (shares * alignment.match).max(1),
        "at_anchor": at_anchor,
        "far": np.where(facts.held, np.log1p(distance) / 8, 1.0),
        "synonym_near": related(answer.stems, lexicon.synonyms, region),
        "antonym_near": related(answer.stems, lexicon.antonyms, region) & ~at_anchor,
    }


def slot_columns(answer: Answer, context: Context, alignment: Alignment, facts: WordFacts) -> Columns:
    """A place of the context has the word's neighbours, and another word between them."""
    match = alignment.match
    filled = np.array([bool(stem) for stem in context.stems])
    digit = np.array([stem[:1].isdigit() for stem in context.stems])
    other = ~match & filled
    left, right = moved(match, 1), moved(match, -1)
    pair = side_by_side(match)
    pair_left, pair_right = np.append(False, pair), np.append(pair, False)
    return {
        "slot": (left & right & other).any(1),
        "slot_left": (left & moved(match, 2) & other).any(1) & ~pair_left,
        "slot_right": (right & moved(match, -2) & other).any(1) & ~pair_right,
        "slot_number": ((left | right) & other & digit).any(1) & facts.digit & ~pair_left & ~pair_right,
    }


def place_columns(answer: Answer, context: Context, sentences: SentenceFacts, sizes: tuple[int, int]) -> Columns:
    count, total = len(answer.words), len(answer.sentences)
    rows = np.arange(count)
    passages, asked = sizes
    first = np.searchsorted(answer.sentence, np.arange(total))
    size = sentences.member.sum(1)
    return {
        "place": rows / count,
        "words": np.full(count, np.log1p(count) / 6),
        "sentence_index": np.minimum(answer.sentence, 12) / 12,
        "sentence_place": (rows - first[answer.sentence]) / size[answer.sentence],
        "sentence_last": answer.sentence == total - 1,
        "sentence_count": np.full(count, min(total, 20) / 20),
        "line_start": np.array([not at or "\n" in answer.gap(at) for at in range(count)]),
        "clause_start": np.array([at > 0 and any(mark in ",;:()-–" for mark in answer.gap(at)) for at in range(count)]),
        "context_words": np.full(count, np.log1p(len(context.stems)) / 8),
        "passages": np.full(count, min(passages, 10) / 10),
        "question_words": np.full(count, min(asked, 20) / 20),
    }
