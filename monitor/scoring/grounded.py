"""Groundedness by the trained model, beside the lexical scores of its family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from detectors.groundedness import Model, grounding
from monitor.scoring.checked import Checking
from monitor.scoring.exchange import Exchanges
from monitor.scoring.steps import STEPS, Named, Step


def steps(model: Model | None, checking: Checking | None = None) -> Sequence[Step]:
    """All steps; without a model, `grounding` is not measured, and `grounding.model` without a check."""
    if model is None and checking is None:
        return STEPS
    return tuple(
        replace(step, measure=partial(_with_models, step.measure, model, checking))
        if step.family == "grounding"
        else step
        for step in STEPS
    )


def _with_models(
    others: Callable[[Exchanges], Named], model: Model | None, checking: Checking | None, batch: Exchanges
) -> Named:
    yield from others(batch)
    if model is not None:
        passages = [[found.text for found in trace.context] for trace in batch.traces]
        yield (
            "grounding",
            grounding(batch.answers, passages, model, questions=batch.prompts, declined=batch.refusals()),
        )
    if checking is not None:
        yield "grounding.model", checking(batch)
