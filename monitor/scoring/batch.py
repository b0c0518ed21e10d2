"""The scorer: one call per batch, all signals and scores of the traces in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.groundedness import Model
from monitor.model.decoded import Decoded
from monitor.model.scored import Scored
from monitor.model.signal import Column
from monitor.ports import Embedder
from monitor.scoring.checked import Checking
from monitor.scoring.exchange import exchanges
from monitor.scoring.grounded import steps
from monitor.scoring.languages import labels
from monitor.scoring.measuring import Timer, measure
from monitor.scoring.scalars import record_columns
from monitor.scoring.vectors import space_of, vector_columns


def untimed() -> float:
    return 0.0


class Scorer:
    """Scores batches. Without an embedder only vectors that traces carry are used, of the model named.

    ``timer`` gives seconds, from which the cost of each score is told. Without a ``grounder`` there is no score
    ``grounding``, and without ``checks`` none ``grounding.embedding`` or ``grounding.model``.
    """

    def __init__(
        self,
        *,
        embedder: Embedder | None,
        name: str,
        dimension: int,
        timer: Timer = untimed,
        grounder: Model | None = None,
        checks: Mapping[str, Checking] | None = None,
    ) -> None:
        self.embedder = embedder
        self.name = embedder.name if embedder else name
        self.dimension = embedder.dimension if embedder else dimension
        self.timer = timer
        self.steps = steps(grounder, checks)

    @property
    def space(self) -> str:
        return space_of(self.name, self.dimension, self.embedder.fingerprint if self.embedder else None)

    def score(self, traces: Sequence[Decoded]) -> Scored:
        batch = exchanges(traces)
        texts = {"prompt": batch.prompts, "response": batch.answers}
        found = measure(batch, self.steps, self.timer)
        columns: dict[str, Column] = {
            **record_columns(traces, batch.prompts, batch.answers),
            "response.language": labels(batch.languages()),
            **found.columns(),
            **vector_columns(traces, texts, self.name, self.dimension, self.embedder),
        }
        return Scored(traces, columns, found.scores, found.cost_s)
