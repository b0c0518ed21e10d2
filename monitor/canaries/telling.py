"""The alert of a change: whether numbers moved, answers changed or got worse, and what the endpoint calls itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from monitor.canaries.difference import Difference, phrases
from monitor.model.alert import Alert, Severity
from monitor.model.canary import Pin, labels_of
from monitor.paging import NO_DEPLOYMENT, SAME_CHANGE


def alert_of(pin: Pin, found: Difference, build: str | None, *, since: datetime, at: datetime, new_id: str) -> Alert:
    """The alert of a change to what now calls itself ``build``."""
    told, where = ", ".join(phrases(found)), build_change(pin.build, build)
    named = build is not None and build != pin.build
    cause: dict[str, Any] = {
        "kind": "build" if named else "model",
        "name": build or "",
        "share": 1.0,
        "p_value": min(1.0, math.exp(-pin.watch.log_e)),
        "beside": [],
        "sentence": f"{where}: {told}",
    }
    measured = evidence(pin, found, since)
    return Alert(
        id=new_id,
        labels=labels_of(pin.target),
        status="firing",
        onset=since,
        fired_at=at,
        summary=f"canaries of {pin.target}: {told} since {since:%Y-%m-%d %H:%M} UTC; {where}",
        signals=list(measured),
        evidence={**measured, "explanation": {"summary": cause["sentence"], "causes": [cause], "examples": []}},
        severity=severity(found, named=named),
    )


def told_once(alert: Alert, build: str | None, drifts: Sequence[Alert]) -> Alert:
    """The alert, recorded as inhibited where an open one already told people that this build answers otherwise."""
    for drift in drifts:
        if drift.paged and is_of(drift, build, since=alert.onset):
            return replace(alert, inhibited_by=drift.id, paged=False)
    return alert


def is_of(drift: Alert, build: str | None, *, since: datetime) -> bool:
    """Whether a drift is laid to a build; one of unknown cause may be, if its traces are of it and it is no older."""
    explanation = drift.evidence.get("explanation")
    causes = [] if explanation is None else explanation["causes"]
    sure = [cause for cause in causes if cause["kind"] not in NO_DEPLOYMENT]
    if sure:
        return any(build in cause.get("builds", ()) for cause in sure)
    fresh = drift.fired_at >= since - SAME_CHANGE
    return fresh and (explanation is None or any(build in cause.get("builds", ()) for cause in causes))


def build_change(before: str | None, now: str | None) -> str:
    """Whether the endpoint owned up to the change."""
    if before is None and now is None:
        return "a silent change: the endpoint names no build"
    if before == now:
        return f"a silent change: the endpoint still calls its build {now}"
    return f"build {before or 'without a name'} → {now or 'without a name'}"


def severity(found: Difference, *, named: bool) -> Severity:
    """critical where answers got worse; info where only numbers moved and the endpoint says that its build changed."""
    if found.worse:
        return "critical"
    return "info" if named and not found.changed else "warning"


def evidence(pin: Pin, found: Difference, since: datetime) -> dict[str, dict[str, Any]]:
    """The figures of each test that has something to say, in native units, as those of signals that drift."""
    share = found.changed / found.canaries if found.canaries else 0.0
    lost = max(found.f1[0] - found.f1[1], 0.0)
    figures: dict[str, tuple[str, float, float, float, str]] = {
        "logprobs": ("mean_shift", found.shift, 0.0, found.shift, "nats"),
        "answers": ("share_changed", share, 0.0, share, "share"),
        "quality": ("token_f1", lost, *found.f1, ""),
    }
    reached = {test: pin.watch.capitals[test].log_e for test in figures}
    strongest = max(reached, key=lambda test: reached[test])
    return {
        f"canary.{test}": {
            "effect_kind": kind, "effect": effect, "reference": reference, "now": now, "unit": unit,
            "log_e": reached[test], "log_threshold": pin.log_threshold, "onset": since.isoformat(),
        }
        for test, (kind, effect, reference, now, unit) in figures.items()
        if effect > 0 or test == strongest
    }  # fmt: skip
