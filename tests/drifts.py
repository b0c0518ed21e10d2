"""Verdicts, alerts and diagnoses as tests of alerting want them."""

import itertools
from datetime import datetime, timedelta

from detectors.cause import Cause, Kind
from detectors.effect import Effect
from detectors.intervals import Estimate
from monitor.alerting import transition
from monitor.model.alert import Alert, Change
from monitor.model.diagnosis import Diagnosis, Size
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from tests.stores import PANE, START

ALL, ACME = Segment(), Segment.of(tenant="acme")
AT = START + timedelta(hours=1)


def verdict(signal: str = "response.tokens", *, drifted: bool = True, segment: Segment = ALL, pane: int = 5,
            log_e: float = 24.0, onset: datetime | None = START) -> Verdict:  # fmt: skip
    effect = Effect("psi", 0.4321, 99.5, 140.25, 0.3, 0.0, 0.0)
    return Verdict(
        segment, signal, 1, START + pane * PANE, 60.0, effect, log_e, 12.0,
        drifted=drifted, onset=onset if drifted else None, shares={},
    )  # fmt: skip


def changed(
    verdicts: list[Verdict], alert: Alert | None = None, *, parent: Alert | None = None, at: datetime = AT
) -> Change | None:
    names = itertools.count(1)
    return transition(verdicts, alert, parent=parent, at=at, new_id=lambda: f"alert_{next(names)}")


def fired(*signals: str, segment: Segment = ALL) -> Alert:
    change = changed([verdict(signal, segment=segment) for signal in signals])
    assert change is not None
    return change.alert


def diagnosis(*found: tuple[Kind, float], shift: float = 1.0, build: str = "bot:int4-7f3a") -> Diagnosis:
    sizes = {
        "response.tokens": Size(
            Estimate("", shift, shift - 0.1, shift + 0.1), Estimate("", 40.0, 30.0, 50.0), "", 99.5
        ),
        "finish_reason": Size(Estimate("", 0.1, 0.0, 0.2), Estimate("", -0.25, -0.3, -0.2), "stop", 0.95),
        "relation": Size(Estimate("", 0.1, 0.0, 0.2), None, "", None),
    }
    named = [Cause(kind, "int4-7f3a", share, 1e-9) for kind, share in found or (("build", 0.9),)]
    causes = [*named, Cause("unexplained", "", 1.0 - sum(cause.share for cause in named), 1.0)]
    return Diagnosis(
        causes, [""] * len(causes), [[build]] * len(causes), {}, sizes, False, "on build int4-7f3a",
        "71 % behaviour, 29 % mix; the prompts did not move; more refusals about refunds", (1_000, 200), (),
    )  # fmt: skip
