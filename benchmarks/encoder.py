"""Texts per CPU-second of the encoder: batches by length against batches in arrival order.

    python -m benchmarks.encoder [--texts 200] [--repeats 5]

One process, one thread, the same weights for all, caches off. The ways take turns, so that a busy neighbour slows
all of them alike; the figure is the median of the repeats. sentence-transformers takes part where it is installed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from monitor.inference.build import cached_minilm, find_source
from monitor.inference.card import GRAPH, TOKENIZER, read_card
from monitor.inference.encoder import Encoder
from monitor.inference.runtime import open_session

Encode = Callable[[Sequence[str]], NDArray[np.float32]]

BUDGETS = (128, 256, 512, 1024, 4096)


def mixed_texts(folder: Path, count: int) -> list[str]:
    """Texts of seeded words with log-normal lengths: median 33 words, one in ten above 120, at most 300."""
    rng = np.random.default_rng(1)
    words = [word for word in Tokenizer.from_file(str(folder / TOKENIZER)).get_vocab() if word.isalpha()]
    words.sort()
    lengths = np.clip(rng.lognormal(3.5, 1, count), 1, 300).astype(int)
    return [" ".join(rng.choice(words, length)) for length in lengths]


def in_arrival_order(folder: Path, *, batch: int) -> Encode:
    """The common way: batches as texts arrive, each padded to its longest."""
    session = open_session(folder / GRAPH)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(read_card(folder).max_length)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        made = []
        for first in range(0, len(texts), batch):
            found = tokenizer.encode_batch_fast(list(texts[first : first + batch]))
            ids = np.array([row.ids for row in found], np.int64)
            mask = np.array([row.attention_mask for row in found], np.int64)
            made.append(session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0])
        return np.concatenate(made)

    return encode


def peer() -> Encode | None:
    """sentence-transformers on the same weights, one thread, its own batching; None where it is not installed."""
    try:
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    torch.set_num_threads(1)
    model = SentenceTransformer(str(find_source()), device="cpu")
    return lambda texts: np.asarray(model.encode(list(texts), normalize_embeddings=True), np.float32)


def rates(ways: dict[str, Encode], texts: Sequence[str], repeats: int) -> dict[str, float]:
    """Median texts per CPU-second of each way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, encode in ways.items():
            start = time.process_time()
            encode(texts)
            seconds[name].append(time.process_time() - start)
    return {name: len(texts) / statistics.median(spent) for name, spent in seconds.items()}


@click.command()
@click.option("--texts", "count", default=200, show_default=True)
@click.option("--repeats", default=5, show_default=True)
def main(count: int, repeats: int) -> None:
    """Print a line per way of batching."""
    folder = cached_minilm(report=click.echo)
    texts = mixed_texts(folder, count)
    ways: dict[str, Encode] = {
        f"by length, {budget} tokens": Encoder.load(folder, max_tokens_per_run=budget, cache_bytes=0).encode
        for budget in BUDGETS
    }
    ways["arrival order, batches of 32"] = in_arrival_order(folder, batch=32)
    if other := peer():
        ways["sentence-transformers"] = other
    else:
        click.echo("sentence-transformers is not installed: left out")
    expected = ways["arrival order, batches of 32"](texts)
    tokens = Encoder.load(folder).count_tokens(texts)
    click.echo(f"{count} texts, median {statistics.median(tokens):.0f} tokens, longest {max(tokens)}")
    for name, encode in ways.items():
        error = float(np.abs(encode(texts) - expected).max())
        click.echo(f"{name:30} differs by at most {error:.1e}")
    for name, rate in rates(ways, texts, repeats).items():
        click.echo(f"{name:30} {rate:6.1f} texts per CPU-second")


if __name__ == "__main__":
    main()
