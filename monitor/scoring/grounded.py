"""Groundedness by the trained model, beside the lexical scores of its family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from detectors.groundedness import Model, grounding
from monitor.scoring.exchange import Exchanges
from monitor.scoring.steps import STEPS, Named, Step


def steps(model: Model | None) -> Sequence[Step]:
    """All steps; without a model, `grounding` is not measured."""
    if model is None:
        return STEPS
    return tuple(
        replace(step, measure=partial(_with_model, step.measure, model)) if step.family == "grounding" else step
        for step in STEPS
    )


def _with_model(others: Callable[[Exchanges], Named], model: Model, batch: Exchanges) -> Named:
    yield from others(batch)
    passages = [[found.text for found in trace.context] for trace in batch.traces]
    yield (
        "grounding",
        grounding(batch.answers, passages, model, questions=batch.prompts, declined=batch.refusals()),
    )
