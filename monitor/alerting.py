"""How verdicts become alerts: one per segment, its drifting signals as evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median_low
from typing import Any

from monitor.model.alert import Alert, Change
from monitor.model.diagnosis import Diagnosis, Size
from monitor.model.segment import Segment
from monitor.model.signal import UNITS
from monitor.model.verdict import Verdict
from monitor.paging import known, laid_to_traffic, pages
from monitor.severity import severity, worst

# Stands in the evidence beside the signals.
EXPLANATION = "explanation"
EFFECT_NAMES = {"psi": "PSI", "total_variation": "TV", "mmd2": "MMD²"}


def labels_of(segment: Segment) -> dict[str, str]:
    return {"kind": "drift", "segment": str(segment)}


def transition(
    verdicts: Sequence[Verdict],
    open_alert: Alert | None,
    *,
    parent: Alert | None,
    at: datetime,
    new_id: Callable[[], str],
) -> Change | None:
    """What the verdicts of one pane change about a segment's alert.

    ``parent`` is the open alert of all traffic: where people have been told of it, an alert of a part of the traffic is
    recorded as inhibited.
    """
    drifting = [verdict for verdict in verdicts if verdict.drifted]
    if not verdicts:
        return None
    if open_alert is None:
        if not drifting:
            return None
        segment = verdicts[0].segment
        inhibitor = None if segment.is_all or parent is None or not parent.paged else parent.id
        alert = Alert(
            id=new_id(),
            labels=labels_of(segment),
            status="firing",
            onset=onset_of(drifting),
            fired_at=at,
            summary=summary(drifting),
            signals=[verdict.signal for verdict in drifting],
            evidence=evidence(drifting),
            inhibited_by=inhibitor,
            paged=inhibitor is None,
        )
        return Change("alert.firing", alert, at)
    if not drifting:
        return Change("alert.resolved", open_alert.resolved(at), at)
    joined = [verdict.signal for verdict in drifting if verdict.signal not in open_alert.signals]
    if not joined:
        return None
    more = replace(
        open_alert,
        signals=[*open_alert.signals, *joined],
        summary=summary(drifting),
        evidence=renewed(open_alert, drifting),
        onset=min(open_alert.onset, onset_of(drifting)),
    )
    return Change("alert.updated", more, at)


def explained(
    change: Change,
    verdicts: Sequence[Verdict],
    diagnosis: Diagnosis,
    *,
    page_traffic: bool = False,
    told: Collection[str] = (),
) -> Change:
    """The change with its cause and severity: in the summary in place of who carries it, and as evidence.

    A drift that is laid to traffic alone pages nobody unless ``page_traffic``, nor does one that comes with builds that
    people were ``told`` of by canaries; it fires when it is laid to more later.
    A cause that was sure once stays with the alert when a later look tells of none: a drift that fades grows vague.
    """
    alert = change.alert
    drifting = [verdict for verdict in verdicts if verdict.drifted]
    quiet = change.happening != "alert.firing" and not alert.paged
    before = alert.evidence.get(EXPLANATION)
    laid = laid_to_traffic(before) if quiet and before is not None else None
    paged = not known(diagnosis, told) and (page_traffic or pages(verdicts, diagnosis, laid=laid))
    explanation = told_of(diagnosis, None if quiet and paged else before)
    if change.happening == "alert.firing":
        alert = replace(alert, paged=paged)
    elif quiet and paged:
        change, alert = replace(change, happening="alert.firing"), replace(alert, paged=True)
    found = severity(drifting, diagnosis.sizes)
    if change.happening != "alert.firing":
        found = worst([alert.severity, found])
    alert = replace(
        alert,
        severity=found,
        summary=sentence(drifting, explanation, diagnosis.sizes),
        evidence={**alert.evidence, EXPLANATION: explanation},
    )
    return replace(change, alert=alert)


def unexplained(change: Change, *, told: Collection[str]) -> Change:
    """With too few traces to tell a cause: the change pages, or waits for more if canaries have just paged."""
    if change.happening != "alert.firing" or not told:
        return change
    return replace(change, alert=replace(change.alert, paged=False))


def told_of(diagnosis: Diagnosis, before: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The explanation as evidence: the one before where that had a sure cause and this one has none."""
    if before is None or diagnosis.named or "source" not in before:
        return diagnosis.evidence()
    sure = any(cause["kind"] != "unexplained" for cause in before["causes"])
    return before if sure else diagnosis.evidence()


def reviewed(verdicts: Sequence[Verdict], alert: Alert | None, *, pane: timedelta, at: datetime) -> Change | None:
    """An update of an alert whose drift has lasted twice as long as when it was last explained, to explain it anew.

    The first message tells what little was known when it fired; with more traces the same drift has clearer causes.
    """
    drifting = [verdict for verdict in verdicts if verdict.drifted]
    if alert is None or not alert.open or alert.inhibited_by is not None or not drifting:
        return None
    panes = [datetime.fromisoformat(told["pane"]) for told in alert.evidence.values() if "pane" in told]
    told_until = max(panes, default=alert.onset)
    if drifting[0].pane + pane - alert.onset < 2 * (told_until + pane - alert.onset):
        return None
    return Change("alert.updated", replace(alert, evidence=renewed(alert, drifting)), at)


def merged(changes: Sequence[Change]) -> list[Change]:
    """Changes of one alert in one go: what joined right after it fired is told with the firing."""
    kept: list[Change] = []
    for change in changes:
        if kept and kept[-1].alert.id == change.alert.id and change.happening != "alert.resolved":
            firing = "alert.firing" in (kept[-1].happening, change.happening)
            kept[-1] = Change("alert.firing" if firing else "alert.updated", change.alert, kept[-1].at)
        else:
            kept.append(change)
    return kept


def accepted(alerts: Sequence[Alert], anew: Mapping[Segment, Collection[str]], *, at: datetime) -> list[Change]:
    """What becomes of open drift alerts when references are accepted: resolved, or about the other signals alone."""
    changes = []
    for alert in alerts:
        signals = anew.get(Segment.parse(alert.labels["segment"]), ())
        others = [signal for signal in alert.signals if signal not in signals]
        if not others:
            changes.append(Change("alert.resolved", alert.resolved(at, "accepted"), at))
        elif len(others) < len(alert.signals):
            changes.append(Change("alert.updated", replace(alert, signals=others), at))
    return changes


def onset_of(drifting: Sequence[Verdict]) -> datetime:
    """The onset in the middle, the earlier of two: one of many signals may have been leaning long before the change."""
    return median_low(verdict.onset or verdict.pane for verdict in drifting)


def evidence(drifting: Sequence[Verdict]) -> dict[str, Any]:
    """The figures of each drifting signal, in native units."""
    return {
        verdict.signal: {
            "effect_kind": verdict.effect.kind,
            "effect": verdict.effect.value,
            "reference": verdict.effect.reference,
            "now": verdict.effect.now,
            "unit": UNITS.get(verdict.signal, ""),
            "log_e": verdict.log_e,
            "log_threshold": verdict.log_threshold,
            "onset": (verdict.onset or verdict.pane).isoformat(),
            "pane": verdict.pane.isoformat(),
            "shares": dict(verdict.shares),
            **({"against": verdict.reference} if verdict.reference != "golden" else {}),
        }
        for verdict in drifting
    }


def renewed(alert: Alert, drifting: Sequence[Verdict]) -> dict[str, Any]:
    """The alert's evidence with the figures of now; who carries a change is told once, when it begins."""
    figures = evidence(drifting)
    for signal in figures.keys() & alert.evidence.keys():
        figures[signal]["shares"] = figures[signal]["shares"] or alert.evidence[signal]["shares"]
    return {**alert.evidence, **figures}


def summary(drifting: Sequence[Verdict]) -> str:
    """One sentence a person can read: the strongest evidence first, then the sub-segment that carries most of it."""
    ranked = by_strength(drifting)
    told = ", ".join(phrase(verdict) for verdict in ranked[:4])
    rest = f" and {len(ranked) - 4} more signals" if len(ranked) > 4 else ""
    return f"{where(drifting)}: {told}{rest} {since(drifting)}{carrier(ranked)}"


def sentence(drifting: Sequence[Verdict], explanation: Mapping[str, Any], sizes: Mapping[str, Size]) -> str:
    """The same where it is known why: how the strongest two moved, and the cause."""
    ranked = by_strength(drifting)
    told = " and ".join(moved(verdict.signal, sizes.get(verdict.signal)) for verdict in ranked[:2])
    more = len(ranked) - 2
    rest = f" (and {more} more signal{'s' if more > 1 else ''})" if more > 0 else ""
    detail = f": {explanation['detail']}" if explanation["detail"] else ""
    return f"{where(drifting)}: {told}{rest} {explanation['source']} {since(drifting)}{detail}"


def by_strength(drifting: Sequence[Verdict]) -> Sequence[Verdict]:
    return sorted(drifting, key=lambda verdict: -verdict.log_e / verdict.log_threshold)


def where(drifting: Sequence[Verdict]) -> str:
    segment = drifting[0].segment
    return "all traffic" if segment.is_all else str(segment)


def since(drifting: Sequence[Verdict]) -> str:
    lagged = all(verdict.reference == "lagged" for verdict in drifting)
    against = " against the lagged reference" if lagged else ""
    return f"since {onset_of(drifting):%Y-%m-%d %H:%M} UTC{against}"


def moved(signal: str, size: Size | None) -> str:
    """How a signal moved, in words: from what to what, where its mean surely did."""
    if size is None or size.native is None or size.before is None or size.native.low <= 0 <= size.native.high:
        return f"{signal} moved"
    verb = "rose" if size.native.value > 0 else "fell"
    of = f" of {size.of}" if size.of else ""
    unit = {"score 0-1": "", "": ""}.get(UNITS.get(signal, ""), f" {UNITS.get(signal, '')}")
    return f"{signal}{of} {verb} from {figure(size.before)} to {figure(size.before + size.native.value)}{unit}"


def phrase(verdict: Verdict) -> str:
    effect = verdict.effect
    size = f"{EFFECT_NAMES.get(effect.kind, effect.kind)} {effect.value:.3g}"
    if effect.reference is None or effect.now is None:
        return f"{verdict.signal} moved ({size})"
    return f"{verdict.signal} {figure(effect.reference)} → {figure(effect.now)} ({size})"


def figure(value: float) -> str:
    """Three figures, without an exponent where a person would not write one.

    >>> figure(2281.7), figure(61.23), figure(0.01234)
    ('2,282', '61.2', '0.0123')
    """
    return f"{value:,.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"


def carrier(ranked: Sequence[Verdict]) -> str:
    """The sub-segment that carries at least half of the strongest explained change."""
    shares: Mapping[str, float] = next((verdict.shares for verdict in ranked if verdict.shares), {})
    told = [(share, name) for name, share in shares.items() if share >= 0.5]
    if not told:
        return ""
    share, name = max(told, key=lambda pair: (pair[1].startswith("build="), pair[0]))
    return f"; {min(share, 1):.0%} of it on {name}"
