"""The story, act by act: what changes, and what a working sidecar then finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.demo.deployments import CUT, GOOD, Deployment
from monitor.demo.findings import Alert, Progress

QUIET = 150
BEHAVIOUR = frozenset({"build", "prompt_template", "model"})
TOPIC = "sync"
PAGED = "an alert of the canaries and one of drift that names a deployment, and a page"
RESOLVED = "all alerts resolved"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found since an act began, at ``since``."""

    since: datetime
    progress: Progress

    @property
    def fresh(self) -> list[Alert]:
        return [alert for alert in self.progress.alerts if alert.fired_at >= self.since]

    @property
    def drifts(self) -> list[Alert]:
        return [alert for alert in self.fresh if alert.kind == "drift"]

    @property
    def canaries(self) -> list[Alert]:
        return [alert for alert in self.fresh if alert.kind == "canary"]


@dataclass(frozen=True, slots=True)
class Act:
    """A part of the story.

    Attributes:
        name: what to call it.
        title: what happens, in a sentence.
        reached: whether all has been found that this act is about.
        expected: that, in words.
        most: questions after which it is not waited for any longer.
        least: questions that are asked in any case.
        deployment: what is put into service when it begins.
        topic: what people suddenly ask about.
    """

    name: str
    title: str
    reached: Callable[[Seen], bool]
    expected: str
    most: int
    least: int = 0
    deployment: Deployment | None = None
    topic: str | None = None


def learned(seen: Seen) -> bool:
    return seen.progress.reference is not None and seen.progress.judged >= QUIET


def reported(seen: Seen) -> bool:
    return any(not alert.paged for alert in seen.drifts)


def caught(seen: Seen) -> bool:
    """Found by the canaries and by the drift of real traffic, laid to a deployment; one of the two has paged."""
    named = {cause["kind"] for alert in seen.drifts for cause in alert.causes}
    return bool(named & BEHAVIOUR) and bool(seen.canaries) and any(alert.paged for alert in seen.fresh)


def clear(seen: Seen) -> bool:
    return not any(alert.open for alert in seen.progress.alerts)


def acts(bad: Deployment) -> Sequence[Act]:
    """The story, with ``bad`` as the build that should not have been rolled out."""
    return (
        Act(
            "learning",
            "The assistant answers from its help pages, and the sidecar learns how.",
            learned,
            expected="a reference, and quiet",
            most=2500,
        ),
        Act(
            "newsletter",
            f"A newsletter goes out: most people ask about {TOPIC} now.",
            reported,
            expected="a drift laid to traffic that pages nobody",
            most=600,
            least=100,
            topic=TOPIC,
        ),
        Act("forgotten", "The newsletter is forgotten.", clear, expected=RESOLVED, most=2500),
        Act(
            "int4",
            f"At night somebody rolls out {bad.name} under the same name.",
            caught,
            expected=PAGED,
            most=800,
            least=150,
            deployment=bad,
        ),
        Act("taken back", f"Back to {GOOD.name}.", clear, expected=RESOLVED, most=2500, deployment=GOOD),
        Act(
            "cut template",
            f"A release brings {CUT.name}: the pages no longer reach the model.",
            caught,
            expected=PAGED,
            most=800,
            least=150,
            deployment=CUT,
        ),
        Act("taken back", f"Back to {GOOD.name}.", clear, expected=RESOLVED, most=2500, deployment=GOOD),
    )
