"""Continuous against static batching, and a cache of keys and values against none, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time

from benchmarks.worker.model import SLOTS, Work, asks, scheduler
from monitor.inference.decoder.decoder import Decoder
from monitor.model.generation import Draw


def continuous(model: Decoder, work: Sequence[Work]) -> float:
    """CPU-seconds of all requests, waiting from the start."""
    line = scheduler(model, len(work))
    for ask in asks(work):
        assert line.submit(ask, None) is not None
    began = process_time()
    while line.rows or line.waiting:
        line.turn()
    return process_time() - began


def static(model: Decoder, work: Sequence[Work], *, leave: bool) -> float:
    """CPU-seconds of the same requests in batches of arrival: the next one begins when the longest of one has ended.

    Rows that have ended stay in the batch, as a padded batch has it; or ``leave`` it, as a better one would.
    """
    began = process_time()
    for first in range(0, len(work), SLOTS):
        batch = work[first : first + SLOTS]
        model.keep(())
        tokens = [int(model.prompt(each.prompt, Draw.greedy(1)).token[0]) for each in batch]
        left = [each.tokens - 1 for each in batch]
        while max(left) > 0:
            tokens = model.step(tokens, Draw.greedy(len(tokens))).token.tolist()
            left = [each - 1 for each in left]
            if leave and 0 in left and max(left) > 0:
                order = model.keep({row for row, each in enumerate(left) if each > 0})
                tokens, left = [tokens[row] for row in order], [left[row] for row in order]
    model.keep(())
    return process_time() - began


def ways_to_batch(model: Decoder, work: Sequence[Work]) -> dict[str, Callable[[], float]]:
    return {
        "continuous": lambda: continuous(model, work),
        "static, rows stay": lambda: static(model, work, leave=False),
        "static, rows leave": lambda: static(model, work, leave=True),
        "one at a time": lambda: sum(continuous(model, [each]) for each in work[::8]) * 8,
    }


def with_cache(model: Decoder, prompt: Sequence[int], count: int) -> float:
    return continuous(model, [Work(prompt, count)])


def without_cache(model: Decoder, prompt: Sequence[int], count: int) -> float:
    """CPU-seconds of an answer whose every token reads all before it again."""
    began = process_time()
    ids = list(prompt)
    for _ in range(count):
        model.keep(())
        ids.append(int(model.prompt(ids, Draw.greedy(1)).token[0]))
    model.keep(())
    return process_time() - began
