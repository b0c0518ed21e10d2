"""What the drift database says: how far the sidecar is, what it found, and questions to ask it oneself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.ports import Reader


@dataclass(frozen=True, slots=True)
class Bar:
    """One signal at the newest pane; ``evidence`` is 1 where it pages, and both values are None for texts."""

    signal: str
    evidence: float
    drifted: bool
    reference: float | None
    now: float | None


@dataclass(frozen=True, slots=True)
class Reference:
    """What now is compared with: so many traces in so many segments."""

    traces: int
    segments: int


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of the canaries, or one that no other one stands for; ``causes`` have kind, name and share."""

    id: str
    kind: str
    segment: str
    status: str
    paged: bool
    onset: datetime
    fired_at: datetime
    summary: str
    signals: Sequence[str]
    causes: Sequence[Mapping[str, Any]]

    @property
    def open(self) -> bool:
        return self.status != "resolved"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sidecar is; ``judged`` counts the traces of all traffic that were compared with the reference."""

    stored: int = 0
    rejects: int = 0
    judged: int = 0
    verdicts: int = 0
    until: datetime | None = None
    reference: Reference | None = None
    bars: tuple[Bar, ...] = ()
    alerts: tuple[Alert, ...] = ()
    undelivered: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its SQL over the public views."""

    text: str
    sql: str


COUNTS = """
    SELECT (SELECT coalesce(sum(traces), 0) FROM v_partitions)::bigint AS stored,
        (SELECT coalesce(sum(rejects), 0) FROM v_partitions)::bigint AS rejects,
        (SELECT count(*) FROM v_deliveries WHERE status = 'pending') AS undelivered,
        (SELECT count(*) FROM v_drift) AS verdicts
"""
REFERENCE = "SELECT traces, cardinality(segments) AS segments FROM v_baselines WHERE in_force"
JUDGED = """
    SELECT coalesce(sum(n), 0) AS traces, max(pane) AS until
    FROM (SELECT pane, max(n) AS n FROM v_drift WHERE segment = 'all' GROUP BY pane) AS panes
"""
BARS = """
    SELECT signal, evidence, drifted, reference_value AS reference, current_value AS now FROM v_drift
    WHERE segment = 'all' AND pane = :until ORDER BY evidence DESC, signal
"""
ALERTS = """
    SELECT id, kind, segment, status, paged, onset, fired_at, summary, signals, coalesce(causes, '[]') AS causes
    FROM v_alerts WHERE inhibited_by IS NULL OR kind = 'canary' ORDER BY fired_at, id
"""
TRACES = "SELECT count(*) AS n FROM v_traces WHERE time >= :since AND time < :until"
CANARIES = "SELECT count(*) AS n FROM v_canary_results WHERE status = 'ok' AND at >= :since AND at <= :until"
CHECKS = "SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY latency_s) AS checks FROM v_guard_decisions"

QUESTIONS = (
    Question(
        "Which build answers worse? Means of scores from 0, good, to 1, bad.",
        """SELECT build, count(DISTINCT id) AS answers,
    round(avg(value) FILTER (WHERE score = 'grounding')::numeric, 3) AS grounding,
    round(avg(value) FILTER (WHERE score = 'uncertainty.peak')::numeric, 3) AS "uncertainty.peak",
    round(avg(value) FILTER (WHERE score = 'abstention')::numeric, 3) AS abstention
FROM v_scores WHERE status = 'ok' GROUP BY build ORDER BY answers DESC""",
    ),
    Question(
        "What drifted, and since when?",
        """SELECT signal, min(onset) AS since, min(pane) AS alarmed,
    round(max(reference_value)::numeric, 3) AS reference,
    round((sum(current_value * n) / sum(n))::numeric, 3) AS now
FROM v_drift WHERE drifted GROUP BY signal ORDER BY alarmed, max(evidence) DESC LIMIT 12""",
    ),
    Question(
        "What did the guard stop, and by which rule?",
        """SELECT t.build, g.rule, left(t.prompt, 40) AS prompt, left(t.response, 60) AS response
FROM v_guard_decisions AS g JOIN v_traces AS t USING (tenant, id, time)
WHERE g.verdict = 'abstain' AND t.build LIKE '%int4%' ORDER BY g.score DESC, t.time LIMIT 8""",
    ),
)


def stored(reader: Reader) -> int:
    return int(next(iter(reader.rows("SELECT coalesce(sum(traces), 0) AS n FROM v_partitions", {})))["n"])


def progress(reader: Reader) -> Progress:
    """One look at the views."""
    (counts,) = reader.rows(COUNTS, {})
    found = tuple(Alert(**row) for row in reader.rows(ALERTS, {}))
    references = [Reference(**row) for row in reader.rows(REFERENCE, {})]
    if not references:
        return Progress(**counts, alerts=found)
    (judged,) = reader.rows(JUDGED, {})
    bars = tuple(Bar(**row) for row in reader.rows(BARS, {"until": judged["until"]}))
    return Progress(
        **counts, judged=round(judged["traces"]), until=judged["until"], reference=references[0], bars=bars,
        alerts=found,
    )  # fmt: skip


def traces_between(reader: Reader, since: datetime, until: datetime) -> int:
    (row,) = reader.rows(TRACES, {"since": since, "until": until})
    return int(row["n"])


def canaries_between(reader: Reader, since: datetime, until: datetime) -> int:
    (row,) = reader.rows(CANARIES, {"since": since, "until": until})
    return int(row["n"])


def checks_s(reader: Reader) -> tuple[float, float]:
    """The median and the 99th percentile of how long the guard took for an exchange, in seconds."""
    (row,) = reader.rows(CHECKS, {})
    median, high = row["checks"] or (0.0, 0.0)
    return float(median), float(high)
