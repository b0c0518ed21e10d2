"""Scores per second and core, each score alone, in batches of 1 and of 256.

Traces of the demo's scenario, given all that scores are read from: context, log-probabilities with 20 alternatives per
token, attention, five samples with vectors, a reference answer, JSON asked for and a tool called. CPU time is counted,
so that a busy machine does not show; what the scores of a family share counts for the first of them. The score by
vectors is measured on fewer traces, its encoder without a cache.
"""

from __future__ import annotations

import base64
import gc
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy.special import log_softmax

from monitor.codec import Limits, decode_batch
from monitor.demo.scenario import scenario
from monitor.inference.build import cached_minilm
from monitor.inference.encoder import Encoder
from monitor.inference.grounding import shipped_grounding
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Record
from monitor.model.scores import NAMES
from monitor.scoring.checked import Checking
from monitor.scoring.embedded import Nearness
from monitor.scoring.exchange import exchanges
from monitor.scoring.grounded import steps
from monitor.scoring.measuring import measure

TRACES = 256
ALTERNATIVES = 20
REPEATS = 3
EMBEDDING, ENCODED = "grounding.embedding", 16


def report(_files: Sequence[Path]) -> None:
    traces = rich_traces(TRACES)
    shown = [traces[0].trace, *(item.trace for item in traces)]
    characters = statistics.mean(len(text) for trace in shown for text in [trace.context[0].text])
    print(f"{TRACES} traces: {statistics.mean(len(item.body) for item in traces):,.0f} bytes, "
          f"{statistics.mean(len(t.context) for t in shown):.1f} passages of {characters:.0f} characters, "
          f"{statistics.mean(len(t.logprobs.logprob) for t in shown if t.logprobs):.0f} tokens")  # fmt: skip
    alone, many = cost_us(traces[: TRACES // 4], 1), cost_us(traces, 256)
    print(f"{'µs of CPU per trace':32}{'batch 1':>10}{'batch 256':>11}{'scores/s/core':>16}")
    # What a model of the user's costs is told by that model alone.
    for name in (name for name in NAMES if many[name] > 0 and name != EMBEDDING):
        print(f"{name:32}{alone[name]:10.1f}{many[name]:11.1f}{1e6 / max(many[name], 1e-3):16,.0f}")
    totals = sum(alone.values()), sum(many.values())
    print(f"{'all of them':32}{totals[0]:10.1f}{totals[1]:11.1f}{1e6 / totals[1]:16,.0f} traces/s/core")
    encoder = Encoder.load(cached_minilm(), cache_bytes=0)
    checks = {EMBEDDING: Checking(Nearness(encoder), 1.0, math.inf, time.process_time)}
    near = [cost_us(traces[:ENCODED], size, checks)[EMBEDDING] for size in (1, ENCODED)]
    print(
        f"{EMBEDDING:32}{near[0]:10.0f}{near[1]:11.0f}{1e6 / near[1]:16,.0f} (batch {ENCODED}; a share of the traces)"
    )


def cost_us(traces: Sequence[Decoded], size: int, checks: Mapping[str, Checking] | None = None) -> dict[str, float]:
    """The least microseconds of CPU per trace of each score, over repeated runs in batches of this size."""
    runs, measured = [], steps(shipped_grounding(), checks)
    for _ in range(REPEATS):
        spent = dict.fromkeys(NAMES, 0.0)
        gc.collect()
        for at in range(0, len(traces), size):
            found = measure(exchanges(traces[at : at + size]), measured, time.process_time)
            for name, seconds in found.cost_s.items():
                spent[name] += seconds
        runs.append(spent)
    return {name: min(run[name] for run in runs) / len(traces) * 1e6 for name in NAMES}


def rich_traces(count: int) -> list[Decoded]:
    start = datetime.now(UTC) - timedelta(hours=3)
    values = scenario(1, traces=count * 2, start=start, span=timedelta(hours=2), change_at=1.0)
    told = [trace for trace in map(msgspec.json.decode, values) if trace.get("logprobs") and trace.get("context")]
    random = np.random.default_rng(0)
    rich = [enriched(trace, told[i - 1], random) for i, trace in enumerate(told[:count])]
    records = [Record(Partition("speed", 0), i, msgspec.json.encode(trace), {}) for i, trace in enumerate(rich)]
    found, rejects = decode_batch(records, datetime.now(UTC), Limits())
    if rejects or len(found) < count:
        raise SystemExit(f"expected {count} traces, got {len(found)} and {len(rejects)} rejects")
    return found


def enriched(trace: dict[str, Any], other: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    own, another = (each["output_messages"][0]["parts"][0] for each in (trace, other))
    text, foreign = (part.get("content") or part.get("text") for part in (own, another))
    tokens = len(trace["logprobs"]["logprob"])
    top = np.sort(log_softmax(4 * random.normal(size=(tokens, 1000)), axis=1))[:, -ALTERNATIVES:]
    trace["logprobs"]["top_k"] = {"k": ALTERNATIVES, "logprob": top.round(4).tolist()}
    trace["attention"] = {"lookback_ratio": random.uniform(size=tokens).round(4).tolist()}
    trace["samples"] = [{"text": text}, {"text": foreign}, {"text": text[: len(text) // 2]}] + [{"text": text}] * 2
    trace["embeddings"] = [vector(f"sample:{i}", random.normal(size=384)) for i in range(5)]
    trace["extra"] = {"reference_answer": text[: len(text) // 2]}
    trace["request"] = {**trace.get("request", {}), "response_format": {"type": "json_object"}}
    trace["tools"] = [{"name": "map", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    trace["output_messages"][0]["parts"].append({"type": "tool_call", "name": "map", "arguments": {"city": "Rome"}})
    for document in trace["context"]:
        document |= {"score": 0.5, "updated_at": "2026-01-01T00:00:00Z"}
    return trace


def vector(target: str, row: np.ndarray[Any, Any]) -> dict[str, Any]:
    data = base64.b64encode(row.astype("<f2").tobytes()).decode()
    return {"target": target, "model": "any", "dim": len(row), "encoding": "f16le_b64", "data": data}
