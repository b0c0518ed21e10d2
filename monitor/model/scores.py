"""The per-trace scores: each a number from 0 (good) to 1 (bad), or a status with the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScoreKind:
    """A score by name, what it is read from, and what it says."""

    name: str
    inputs: str
    told: str

    @property
    def family(self) -> str:
        """What stands before the dot."""
        return self.name.partition(".")[0]


CATALOGUE: tuple[ScoreKind, ...] = (
    ScoreKind("abstention", "answer", "the answer declines"),
    ScoreKind("hedging", "answer", "hedges per sentence"),
    ScoreKind(
        "format.json", "answer, request.response_format", "no JSON, or not of the schema, where JSON was asked for"
    ),
    ScoreKind("format.tool_call", "output parts, tools", "share of tool calls that no tool offered would take"),
    ScoreKind("format.repetition", "answer", "share of runs of four words that stood there before"),
    ScoreKind("format.truncation", "answer, finish_reason", "the answer was cut, or ends within a sentence"),
    ScoreKind("format.language", "prompt, answer", "the answer is not in the language of the prompt"),
    ScoreKind("tokenization.fragmentation", "answer, token counts", "tokens per word, unknown and single-byte tokens"),
    ScoreKind("retrieval.top_score", "context[].score", "1 − the best similarity"),
    ScoreKind("retrieval.gap", "context[].score", "the two best passages are alike"),
    ScoreKind("retrieval.overlap", "prompt, context[].text", "content words of the question that no passage holds"),
    ScoreKind("retrieval.age", "context[].updated_at", "age of the newest passage, half-life one year"),
    ScoreKind("attention.lookback", "attention.lookback_ratio", "attention that is not on the context"),
    ScoreKind("uncertainty.mean_nll", "logprobs.logprob", "1 − geometric mean of the token probabilities"),
    ScoreKind("uncertainty.peak", "logprobs.logprob", "surprisal in the most surprising sentence"),
    ScoreKind("uncertainty.msp", "logprobs.logprob", "1 − probability of the whole answer, if it is short"),
    ScoreKind("uncertainty.entropy", "logprobs.entropy or top_k", "entropy, on average and in the worst sentence"),
    ScoreKind("uncertainty.tail", "logprobs.top_k", "probability outside the top-k in the worst sentence"),
    ScoreKind("uncertainty.margin", "logprobs.top_k", "1 − lead of the likeliest token in the worst sentence"),
    ScoreKind("consistency.agreement", "answer, ≥ 3 samples", "answer and samples share few words"),
    ScoreKind("consistency.semantic_entropy", "answer, ≥ 5 samples", "answer and samples say different things"),
    ScoreKind("consistency.support", "answer, ≥ 3 samples", "words of the answer that samples do not hold"),
    ScoreKind("consistency.dispersion", "vectors of ≥ 3 samples", "samples are far from each other"),
    ScoreKind(
        "grounding", "answer, context", "probability that the answer says what no passage holds, by a small model"
    ),
    ScoreKind("grounding.lexical", "answer, context", "words of the answer that come from no passage"),
    ScoreKind("grounding.embedding", "answer, context", "words that mean something else than all of the context"),
    ScoreKind("grounding.model", "answer, context", "probability that the answer is unsupported, by a model of yours"),
    ScoreKind("quality.exact_match", "answer, reference answer", "the answer is not the reference"),
    ScoreKind("quality.token_f1", "answer, reference answer", "1 − F1 of words shared with the reference"),
    ScoreKind("quality.rouge_l", "answer, reference answer", "1 − ROUGE-L"),
    ScoreKind("quality.bleu", "answer, reference answer", "1 − sentence BLEU"),
    ScoreKind("risk", "grounding, consistency and uncertainty", "probability that the answer is bad, all told"),
)

NAMES: tuple[str, ...] = tuple(kind.name for kind in CATALOGUE)
