"""Comparisons of each sentence with the context: the evidence it has there, and the passages it says it is from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from detectors import cues
from detectors.alignment import Alignment, Answer, Context, Floats
from detectors.facts import Columns, SentenceFacts, WordFacts, related
from detectors.lexicon import Lexicon


def evidence_columns(
    answer: Answer, context: Context, facts: WordFacts, sentences: SentenceFacts, lexicon: Lexicon
) -> Columns:
    """Each word against the sentence of the context that holds most of its own."""
    rows = np.arange(len(answer.words))
    best = sentences.best[answer.sentence]
    in_best, in_three = sentences.holds[rows, best], sentences.holds_3[rows, best]
    stems = {at: frozenset(context.sentence_stems(at)) for at in set(sentences.best.tolist())}
    evidence = [stems[at] for at in best.tolist()]
    numbers: list[set[str]] = [set() for _ in answer.sentences]
    for row in np.flatnonzero(facts.digit):
        numbers[answer.sentence[row]].add(answer.stems[row])
    rivals = [
        len({stem for stem in stems[at] if stem[:1].isdigit()} - own)
        for at, own in zip(sentences.best.tolist(), numbers, strict=True)
    ]
    everywhere = frozenset(context.stems)
    synonym = related(answer.stems, lexicon.synonyms, [everywhere] * len(rows))
    swapped = answer.content & facts.held & ~in_three
    together = np.zeros(len(rows), bool)
    content = np.flatnonzero(answer.content)
    for one, next_one in pairwise(content.tolist()):
        together[one] = (sentences.holds_3[one] & sentences.holds[next_one]).any()
    before = np.zeros(len(rows), bool)
    before[content[1:]] = together[content[:-1]]
    return {
        "together_next": together,
        "together_previous": before,
        "in_best": in_best,
        "in_three": in_three,
        "swapped": swapped,
        "swapped_number": swapped & facts.digit,
        "swapped_capital": swapped & facts.capital,
        "number_rivals": facts.digit * np.log1p(rivals)[answer.sentence],
        "synonym": synonym,
        "synonym_best": related(answer.stems, lexicon.synonyms, evidence),
        "antonym_best": related(answer.stems, lexicon.antonyms, evidence) & ~in_best,
        "strange": answer.content & ~facts.held & ~synonym,
    }


def sentence_columns(
    answer: Answer,
    context: Context,
    alignment: Alignment,
    known: tuple[WordFacts, SentenceFacts],
    passages: Sequence[str],
) -> Columns:
    facts, sentences = known
    texts = [answer.text[start:end] for start, end in answer.sentences]
    theirs = [passages[number][start:end] for number, (start, end) in (context.sentences[at] for at in sentences.best)]
    content, size = sentences.count(answer.content), sentences.count(np.ones(len(answer.words)))
    denied = np.array([cues.negations(text) for text in texts])
    denied_there = np.array([cues.negations(text) for text in theirs])
    absent = np.array([cues.ABSENT.search(text) is not None for text in texts])
    three = sentences.coverage_3.max(1)
    novel = sentences.count(facts.novel)
    in_three = sentences.holds_3[np.arange(len(answer.words)), sentences.best[answer.sentence]]
    swapped = sentences.count(answer.content & facts.held & ~in_three)
    rows = np.arange(len(texts))
    by_sentence: Columns = {
        "cover": sentences.coverage[rows, sentences.best],
        "cover_three": three,
        "cover_passage": sentences.by_passage.max(1),
        "cover_all": sentences.held,
        "cover_second": _second(sentences.coverage),
        "novel_share": novel / (content + 1),
        "novel_count": np.log1p(novel),
        "novel_rarest": (sentences.member * (facts.novel * facts.weight)).max(1),
        "novel_numbers": sentences.count(facts.novel & facts.digit) > 0,
        "swapped_share": swapped / (content + 1),
        "content_words": np.log1p(content) / 3,
        "sentence_words": np.log1p(size) / 4,
        "asked_share": sentences.count(answer.content & facts.asked) / (content + 1),
        "denies": denied > 0,
        "denial_differs": denied % 2 != denied_there % 2,
        "absent": absent,
        "absent_covered": absent * three,
        "hedges": np.array([min(3, len(cues.HEDGE.findall(text))) for text in texts]),
        "turns": np.array([min(3, len(cues.TURN.findall(text))) for text in texts]),
        "meta": np.array([min(3, len(cues.META.findall(text))) for text in texts]),
        "item": np.array([cues.ITEM.match(text) is not None for text in texts]),
        "copied_share": sentences.count(alignment.run >= 4) / size,
    }
    return {name: column[answer.sentence] for name, column in by_sentence.items()}


def citation_columns(answer: Answer, context: Context, sentences: SentenceFacts, passages: int) -> Columns:
    """How much better another passage holds a sentence than those it cites, or than those cited last before it."""
    found = np.zeros((len(answer.sentences), 5), np.float32)
    last: list[int] = []
    for row, (start, end) in enumerate(answer.sentences):
        own = cues.cited(answer.text[start:end])
        last = own or last
        if not last:
            continue
        inside = np.isin(context.passages, [number - 1 for number in last])
        cover = sentences.by_passage[row]
        held = cover[inside].max(initial=0.0)
        margin = cover[~inside].max(initial=0.0) - held
        found[row, 4] = margin
        if own:
            found[row, :4] = 1.0, margin, held, max(own) > passages
    names = ("cites", "cited_margin", "cited_cover", "cited_missing", "last_cited_margin")
    return {name: found[answer.sentence, at] for at, name in enumerate(names)}


def _second(coverage: Floats) -> Floats:
    """The second largest of each row; 0 where there is only one."""
    if coverage.shape[1] < 2:
        return np.zeros(len(coverage), np.float32)
    return np.asarray(np.partition(coverage, -2, 1)[:, -2])
