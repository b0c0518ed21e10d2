"""The columns over an answer's tokens, as a trace holds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson

from monitor.model.generation import Choice
from monitor.model.trace import Logprobs, TopK


def written(choice: Choice, texts: Sequence[str], *, top: int) -> bytes:
    """JSON of a ``Logprobs``; ``source`` is raw: before any temperature.

    A float32 is written in the fewest digits that read back as the same float32. orjson does so from the arrays
    themselves, which takes half the CPU of lists of rounded numbers.

    Args:
        choice: an answer that has ended.
        texts: what each token reads as.
        top: alternatives per token that are kept.
    """
    ids, logprobs = choice.top.columns(top)
    k = ids.shape[1]
    best = {"k": k, "token_ids": np.ascontiguousarray(ids), "logprob": np.ascontiguousarray(logprobs)}
    fields = {
        "unit": "nats",
        "source": "raw",
        "token_ids": choice.ids,
        "tokens": [texts[token] for token in choice.ids],
        "byte_offsets": choice.starts,
        "logprob": np.array(choice.logprob, np.float32),
        "entropy": np.array(choice.entropy, np.float32),
        **({"top_k": best} if k else {}),
    }
    return orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)


def columns(choice: Choice, texts: Sequence[str], *, top: int) -> Logprobs:
    """What a trace would say of the answer's tokens, for the guard: as the model gave it, finite or not."""
    ids, logprobs = choice.top.columns(top)
    k = ids.shape[1]
    return Logprobs(
        unit="nats",
        source="raw",
        token_ids=choice.ids,
        tokens=[texts[token] for token in choice.ids],
        byte_offsets=choice.starts,
        logprob=choice.logprob,
        entropy=choice.entropy,
        top_k=TopK(k, ids.tolist(), logprobs.tolist()) if k else None,
    )
