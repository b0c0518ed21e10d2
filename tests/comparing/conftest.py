"""Two sides of a made-up service: answers to prompts about topics, with vectors and a few signals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.model.comparison import Given
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Record
from monitor.model.scored import Scored
from monitor.model.trace import InputMessage, Labels, Model, OutputMessage, Part, Trace

START = datetime(2026, 1, 1, tzinfo=UTC)
Make = Callable[..., Given]
CENTRES = np.random.default_rng(3).normal(size=(6, 24))


def trace(number: int, prompt: str, response: str, session: str | None) -> Decoded:
    made = Trace(
        id=f"t{number}",
        schema_version="1.0",
        time=START + timedelta(seconds=number),
        model=Model(name="bot"),
        input_messages=[InputMessage(role="user", parts=[Part(type="text", content=prompt)])],
        output_messages=[OutputMessage(role="assistant", parts=[Part(type="text", content=response)])],
        segment=Labels(session_id=session),
    )
    return Decoded(Record(Partition("test", 0), number, b"", {}), made, b"", {})


@pytest.fixture(scope="session")
def side() -> Make:
    """``side(name, seed, n, …)``: longer answers, other finish reasons, other vectors, other prompts on request."""

    def make(
        name: str, seed: int, n: int = 300, *, longer: float = 0.0, cut: float = 0.1, moved: float = 0.0,
        asked: float = 0.0, sessions: int | None = None,
    ) -> Given:  # fmt: skip
        random = np.random.default_rng(seed)
        topic = random.integers(0, 6, n)
        topic = np.where(random.random(n) < asked, 0, topic)
        prompts = CENTRES[topic] + random.normal(size=(n, 24))
        answers = 0.7 * prompts + random.normal(size=(n, 24)) + moved / np.sqrt(24)
        length = np.round(100 + 20 * random.normal(size=n) + longer)
        reason = np.where(random.random(n) < cut, "length", "stop").tolist()
        latency = random.exponential(size=n)
        latency[random.random(n) < 0.05] = np.nan
        traces = [
            trace(i, f"question {topic[i]}", "word " * int(length[i] / 5), f"s{i % sessions}" if sessions else None)
            for i in range(n)
        ]
        columns = {
            "response.tokens": length,
            "latency": latency,
            "finish_reason": reason,
            "hedging": np.full(n, np.nan),
            "prompt.embedding": prompts.astype(np.float32),
            "response.embedding": answers.astype(np.float32),
            "relation": np.hstack([prompts, answers]).astype(np.float32),
        }
        return Given(name, Scored(traces, columns, {}), timed=True)

    return make
