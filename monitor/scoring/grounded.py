"""Groundedness by models, beside the lexical score of the family: the trained one, and those that cost more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from detectors.groundedness import Model, grounding
from monitor.scoring.checked import Checking
from monitor.scoring.exchange import Exchanges
from monitor.scoring.steps import STEPS, Named, Step


def steps(model: Model | None, checks: Mapping[str, Checking] | None = None) -> Sequence[Step]:
    """All steps; without a model `grounding` is not measured, and without a check by its name nothing else is."""
    if model is None and not checks:
        return STEPS
    return tuple(
        replace(step, measure=partial(_with_models, step.measure, model, checks or {}))
        if step.family == "grounding"
        else step
        for step in STEPS
    )


def _with_models(
    others: Callable[[Exchanges], Named], model: Model | None, checks: Mapping[str, Checking], batch: Exchanges
) -> Named:
    yield from others(batch)
    if model is not None:
        passages = [[found.text for found in trace.context] for trace in batch.traces]
        yield (
            "grounding",
            grounding(batch.answers, passages, model, questions=batch.prompts, declined=batch.refusals()),
        )
    for name, check in checks.items():
        yield name, check(batch)
