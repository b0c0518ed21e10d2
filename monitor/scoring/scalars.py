"""Signals that are read off the trace record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.model.decoded import Decoded
from monitor.model.signal import Column
from monitor.model.trace import Trace


def column(values: Iterable[float | None]) -> NDArray[np.float64]:
    """A scalar column; None is missing."""
    return np.array([np.nan if value is None else value for value in values], float)


def latency(trace: Trace) -> float | None:
    """Seconds from request to end: as measured by the worker, else by the record's instants."""
    if trace.timing.total_s is not None:
        return trace.timing.total_s
    if trace.end_time is not None and trace.end_time >= trace.time:
        return (trace.end_time - trace.time).total_seconds()
    return None


def response_tokens(trace: Trace) -> int | None:
    """As counted by the worker; else the number of its log-probabilities."""
    if trace.usage.output_tokens is not None:
        return trace.usage.output_tokens
    return len(trace.logprobs.logprob) or None if trace.logprobs is not None else None


def record_columns(traces: Sequence[Decoded], prompts: Sequence[str], responses: Sequence[str]) -> dict[str, Column]:
    found = [item.trace for item in traces]
    outputs = [trace.output_messages[0] if trace.output_messages else None for trace in found]
    return {
        "prompt.characters": column(len(text) for text in prompts),
        "prompt.tokens": column(trace.usage.input_tokens for trace in found),
        "response.characters": column(len(text) for text in responses),
        "response.tokens": column(response_tokens(trace) for trace in found),
        "latency": column(latency(trace) for trace in found),
        "time_to_first_token": column(trace.timing.ttft_s for trace in found),
        "finish_reason": [None if output is None else output.finish_reason for output in outputs],
        "status": [trace.error_type or trace.status for trace in found],
        "guard.verdict": [None if trace.guard is None else trace.guard.verdict for trace in found],
    }
