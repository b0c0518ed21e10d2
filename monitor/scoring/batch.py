"""The scorer: one call per batch, all signals and scores of the traces in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.abstention import abstention, hedging
from detectors.grounding import lexical
from detectors.score import Score
from detectors.uncertainty import mean_nll, peak
from monitor.model.decoded import Decoded
from monitor.model.scored import Scored
from monitor.model.signal import Column
from monitor.model.trace import prompt_of, response_of
from monitor.ports import Embedder
from monitor.scoring.scalars import column, record_columns
from monitor.scoring.vectors import space_of, vector_columns


class Scorer:
    """Scores batches. Without an embedder only vectors that traces carry are used, of the model named."""

    def __init__(self, *, embedder: Embedder | None, name: str, dimension: int) -> None:
        self.embedder = embedder
        self.name = embedder.name if embedder else name
        self.dimension = embedder.dimension if embedder else dimension

    @property
    def space(self) -> str:
        return space_of(self.name, self.dimension, self.embedder.fingerprint if self.embedder else None)

    def score(self, traces: Sequence[Decoded]) -> Scored:
        prompts = [prompt_of(item.trace) for item in traces]
        responses = [response_of(item.trace) for item in traces]
        texts = {"prompt": prompts, "response": responses}
        scores = text_scores(traces, prompts, responses)
        columns: dict[str, Column] = {
            **record_columns(traces, prompts, responses),
            **{name: column(score.value for score in found) for name, found in scores.items()},
            **vector_columns(traces, texts, self.name, self.dimension, self.embedder),
        }
        rows = [dict(zip(scores, found, strict=True)) for found in zip(*scores.values(), strict=True)]
        return Scored(traces, columns, rows)


def text_scores(
    traces: Sequence[Decoded], prompts: Sequence[str], responses: Sequence[str]
) -> dict[str, Sequence[Score]]:
    """Each score as a list over the batch."""
    logprobs = [
        np.array(item.trace.logprobs.logprob if item.trace.logprobs is not None else (), float) for item in traces
    ]
    contexts = [[document.text for document in item.trace.context] for item in traces]
    refusals = abstention(responses)
    return {
        "abstention": refusals,
        "hedging": hedging(responses),
        "uncertainty.mean_nll": mean_nll(logprobs),
        "uncertainty.peak": peak(logprobs),
        "grounding.lexical": lexical(responses, contexts, questions=prompts, declined=refusals),
    }
