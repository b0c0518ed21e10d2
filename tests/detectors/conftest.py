"""Signals of every kind, from one seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detectors.reference import Kind

Columns = Callable[..., dict[str, Any]]

DIMENSION = 384
TOPICS = 12


@pytest.fixture(scope="session")
def kinds() -> dict[str, Kind]:
    """What each signal of ``columns`` is."""
    return {
        "normal": "scalar",
        "heavy": "scalar",
        "counts": "scalar",
        "constant": "scalar",
        "absent": "scalar",
        "label": "category",
        "embedding": "vector",
        "relation": "relation",
    }


@pytest.fixture(scope="session")
def columns() -> Columns:
    """``columns(random, n)``: a trace's signals, with a few values missing and infinite moments among the scalars."""
    topics = np.random.default_rng(11).normal(size=(TOPICS + 1, DIMENSION))
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)

    def draw(random: np.random.Generator, n: int, *, novel: float = 0.0) -> dict[str, Any]:
        topic = np.where(random.random(n) < novel, TOPICS, random.integers(0, TOPICS, n))
        embedding = topics[topic] + random.normal(size=(n, DIMENSION)) / np.sqrt(DIMENSION)
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        answer = 0.6 * embedding + 0.5 * random.normal(size=(n, DIMENSION)) / np.sqrt(DIMENSION)
        normal = random.normal(size=n)
        normal[random.random(n) < 0.05] = np.nan
        names = ["stop", "length", "tool", None]
        return {
            "normal": normal,
            "heavy": random.standard_cauchy(size=n),
            "counts": random.poisson(1.0, size=n).astype(np.float64),
            "constant": np.full(n, 7.0),
            "absent": np.full(n, np.nan),
            "label": [names[i] for i in random.choice(4, size=n, p=[0.8, 0.1, 0.07, 0.03])],
            "embedding": embedding.astype(np.float32),
            "relation": np.hstack([embedding, answer]).astype(np.float32),
        }

    return draw
