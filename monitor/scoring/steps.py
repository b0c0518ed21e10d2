"""All scores of a batch, family by family: what each needs, and what then measures it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors import attention, consistency, fragmentation, grounding, repetition, retrieval, truncation, uncertainty
from detectors.abstention import hedging
from detectors.alternatives import alternatives
from detectors.columns import columns
from detectors.score import Score, abstained, failed, insufficient
from detectors.tokens import Sentences, sentences
from monitor.model.decoded import Decoded
from monitor.model.scores import CATALOGUE
from monitor.model.trace import Logprobs, Trace
from monitor.scoring import formats, languages, quality
from monitor.scoring.exchange import Exchanges

Named = Iterator[tuple[str, Sequence[Score]]]


@dataclass(frozen=True, slots=True)
class Step:
    """Scores that need the same.

    Attributes:
        family: what stands before the dot in their names, or their one name.
        refuses: why a trace has none of these scores, the same score for all traces alike; None where it has some.
        measure: the scores of the traces that are left, by name; between two of them lies the cost of the second.
    """

    family: str
    refuses: Callable[[Trace], Score | None]
    measure: Callable[[Exchanges], Named]

    @property
    def names(self) -> list[str]:
        return [kind.name for kind in CATALOGUE if kind.family == self.family]


def nothing_lacks(_trace: Trace) -> None:
    return None


NO_CONTEXT = insufficient("no context")
NO_ATTENTION = insufficient("no attention")
NO_LOGPROBS = insufficient("no log-probabilities")
NO_SAMPLES = insufficient("no samples")
NO_COUNTS = insufficient("no token count")
NO_REFERENCE = insufficient("no reference answer")
NO_ENCODER = insufficient("no encoder: embedding.source is trace, or grounding.embedding_share is 0")
ALL_CERTAIN = insufficient("log-probabilities after temperature 0 are certain whatever the model thought")
DECLINES = abstained("the answer only declines")
SOURCES = frozenset({"raw", "post_temperature"})


def without_context(trace: Trace) -> Score | None:
    return None if trace.context else NO_CONTEXT


def without_attention(trace: Trace) -> Score | None:
    return None if trace.attention is not None and trace.attention.lookback_ratio else NO_ATTENTION


def without_counts(trace: Trace) -> Score | None:
    return None if trace.usage.output_tokens is not None or trace.logprobs is not None else NO_COUNTS


def without_samples(trace: Trace) -> Score | None:
    return None if trace.samples else NO_SAMPLES


def without_reference(trace: Trace) -> Score | None:
    return None if (trace.extra or trace.feedback) and quality.references(trace) else NO_REFERENCE


def without_logprobs(trace: Trace) -> Score | None:
    """Also log-probabilities that the producer says are something else."""
    found = trace.logprobs
    if found is None or not (found.logprob or found.entropy or found.top_k):
        return NO_LOGPROBS
    if found.unit != "nats":
        return failed(f"expected log-probabilities in nats, got unit {found.unit[:40]!r}")
    if found.source not in SOURCES:
        return failed(f"expected log-probabilities raw or post_temperature, got source {found.source[:40]!r}")
    if found.source == "post_temperature" and trace.request is not None and trace.request.temperature == 0:
        return ALL_CERTAIN
    return None


def abstention_scores(batch: Exchanges) -> Named:
    yield "abstention", batch.refusals()


def hedge_scores(batch: Exchanges) -> Named:
    yield "hedging", hedging(batch.answers)


def format_scores(batch: Exchanges) -> Named:
    traces = batch.traces
    yield "format.json", formats.json_scores(traces, batch.answers)
    yield "format.tool_call", formats.tool_call_scores(traces)
    yield "format.repetition", repetition.repetition(batch.answers)
    yield "format.truncation", truncation.truncation(batch.answers, [stop_reason(trace) for trace in traces])
    yield "format.language", languages.language_scores(languages.languages(batch.prompts), batch.languages())


def stop_reason(trace: Trace) -> str | None:
    """As the worker says; else ``length`` where all tokens that were allowed were used."""
    said = trace.output_messages[0].finish_reason if trace.output_messages else None
    if said is not None:
        return said
    used, most = trace.usage.output_tokens, trace.request.max_tokens if trace.request else None
    return "length" if used is not None and most is not None and 0 < most <= used else None


def token_scores(batch: Exchanges) -> Named:
    yield "tokenization.fragmentation", fragmentation.fragmentation([
        tokenized(item.trace, answer) for item, answer in zip(batch.items, batch.answers, strict=True)
    ])  # fmt: skip


def tokenized(trace: Trace, answer: str) -> fragmentation.Tokenized:
    counts, own = trace.tokenization, trace.usage.output_tokens
    if own is None and trace.logprobs is not None:
        own = len(trace.logprobs.logprob)
    of_all = None if trace.usage.input_tokens is None or own is None else trace.usage.input_tokens + own
    odd = (None, None) if counts is None else (counts.unknown_tokens, counts.byte_fallback_tokens)
    return fragmentation.Tokenized(answer, own, of_all, *odd)


def retrieval_scores(batch: Exchanges) -> Named:
    scores = [[found.score for found in trace.context if found.score is not None] for trace in batch.traces]
    yield "retrieval.top_score", retrieval.top_score(scores)
    yield "retrieval.gap", retrieval.gap(scores)
    held = [context.stems for context in batch.passages()]
    yield "retrieval.overlap", retrieval.overlap(batch.prompts, held, batch.stems)
    yield "retrieval.age", retrieval.age([ages_s(trace) for trace in batch.traces])


def ages_s(trace: Trace) -> list[float]:
    dated = [found.updated_at for found in trace.context if found.updated_at is not None]
    return [(trace.time - at).total_seconds() for at in dated]


def attention_scores(batch: Exchanges) -> Named:
    rows = [trace.attention.lookback_ratio if trace.attention else () for trace in batch.traces]
    found = columns(rows, name="lookback ratios", most=1.0)
    yield "attention.lookback", attention.lookback(found, laid_out(batch, [len(row) for row in rows]))


def uncertainty_scores(batch: Exchanges) -> Named:
    rows = [trace.logprobs or Logprobs() for trace in batch.traces]
    nll = uncertainty.surprisals([row.logprob for row in rows])
    yield "uncertainty.mean_nll", uncertainty.mean_nll(nll)
    parts = laid_out(batch, [tokens_of(row) for row in rows])
    yield "uncertainty.peak", uncertainty.peak(nll, parts)
    yield "uncertainty.msp", uncertainty.msp(nll)
    # What is wrong with the log-probabilities is wrong with what stands beside them.
    wrong = [complaint if complaint and complaint.status == "error" else None for complaint in nll.complaints]
    told = alternatives([
        row.top_k.logprob if row.top_k and len(row.top_k.logprob) == tokens_of(row) else () for row in rows
    ])  # fmt: skip
    own = columns([row.entropy if len(row.entropy) == tokens_of(row) else () for row in rows], name="entropies")
    pairs = zip(
        uncertainty.entropy(own, parts), uncertainty.entropy(told.entropy, parts), (row.entropy for row in rows),
        strict=True,
    )  # fmt: skip
    yield "uncertainty.entropy", unless(wrong, [full if given else top for full, top, given in pairs])
    yield "uncertainty.tail", unless(wrong, uncertainty.tail(told.tail, parts))
    yield "uncertainty.margin", unless(wrong, uncertainty.margin(told.margin, parts))


def unless(wrong: Sequence[Score | None], scores: Sequence[Score]) -> list[Score]:
    return [problem or score for problem, score in zip(wrong, scores, strict=True)]


def tokens_of(found: Logprobs) -> int:
    return len(found.logprob) or len(found.entropy) or (len(found.top_k.logprob) if found.top_k else 0)


def laid_out(batch: Exchanges, counts: Sequence[int]) -> list[Sentences | None]:
    """The sentences of each answer in its tokens, where there are as many tokens as numbers."""
    return [
        in_tokens(trace.logprobs, answer, count) if count and trace.logprobs is not None else None
        for trace, answer, count in zip(batch.traces, batch.answers, counts, strict=True)
    ]


def in_tokens(found: Logprobs, answer: str, count: int) -> Sentences | None:
    tokens = found.tokens if len(found.tokens) == count else ()
    places = found.byte_offsets if len(found.byte_offsets) == count else ()
    return sentences(answer, tokens, places)


def consistency_scores(batch: Exchanges) -> Named:
    declines = [DECLINES if refusal.value == 1.0 else None for refusal in batch.refusals()]
    told = [
        consistency.read(answer, [sample.text for sample in item.trace.samples], prompt, batch.stems)
        for item, answer, prompt in zip(batch.items, batch.answers, batch.prompts, strict=True)
    ]
    yield "consistency.agreement", unless(declines, consistency.agreement(told))
    yield "consistency.semantic_entropy", unless(declines, consistency.semantic_entropy(told))
    yield "consistency.support", unless(declines, consistency.support(told))
    yield "consistency.dispersion", unless(declines, consistency.dispersion([vectors_of(it) for it in batch.items]))


def vectors_of(item: Decoded) -> NDArray[np.float64]:
    """``(samples, d)`` of the vectors of samples, those of the model that made the first of them."""
    found = [vector for target, vector in sorted(item.vectors.items()) if target.startswith("sample:")]
    alike = [vector.values for vector in found if vector.fits(found[0].model, len(found[0].values))]
    return np.array(alike, np.float64) if alike else np.empty((0, 1))


def grounding_scores(batch: Exchanges) -> Named:
    found = grounding.compare(batch.answers, batch.passages(), batch.prompts, batch.refusals(), stems=batch.stems)
    yield "grounding.lexical", found
    yield "grounding.embedding", [NO_ENCODER] * len(batch)


def quality_scores(batch: Exchanges) -> Named:
    known = [quality.references(trace) for trace in batch.traces]
    found = quality.pairs(batch.answers, known)
    yield "quality.exact_match", quality.exact_match(found)
    yield "quality.token_f1", quality.token_f1(found)
    yield "quality.rouge_l", quality.rouge_l(found)
    yield "quality.bleu", quality.bleu(batch.answers, known)


STEPS: tuple[Step, ...] = (
    Step("abstention", nothing_lacks, abstention_scores),
    Step("hedging", nothing_lacks, hedge_scores),
    Step("format", nothing_lacks, format_scores),
    Step("tokenization", without_counts, token_scores),
    Step("grounding", without_context, grounding_scores),
    Step("retrieval", without_context, retrieval_scores),
    Step("attention", without_attention, attention_scores),
    Step("uncertainty", without_logprobs, uncertainty_scores),
    Step("consistency", without_samples, consistency_scores),
    Step("quality", without_reference, quality_scores),
)
