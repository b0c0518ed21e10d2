"""What the drift database says: how far the sidecar is, what it found, and three questions to ask it oneself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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
    """What now is compared with: so many traces, of so long, in so many segments."""

    traces: int
    since: datetime
    until: datetime
    segments: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sidecar is; ``judged`` counts the traces of the reference and of all judged panes."""

    stored: int = 0
    rejects: int = 0
    judged: int = 0
    verdicts: int = 0
    until: datetime | None = None
    reference: Reference | None = None
    bars: tuple[Bar, ...] = ()
    undelivered: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert with the pane that raised it; ``delay`` counts the traces of the build from the onset to that pane."""

    id: str
    status: str
    segment: str
    onset: datetime
    pane: datetime
    summary: str
    signals: Sequence[str]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its SQL over the public views, and the values of its parameters."""

    text: str
    sql: str
    parameters: Mapping[str, str]

    @property
    def runnable(self) -> str:
        """The SQL with its values in their places, as one would type it."""
        sql = self.sql
        for name, value in self.parameters.items():
            sql = sql.replace(f":{name}", "'" + value.replace("'", "''") + "'")
        return sql


COUNTS = """
    SELECT (SELECT coalesce(sum(traces), 0) FROM v_partitions)::bigint AS stored,
        (SELECT coalesce(sum(rejects), 0) FROM v_partitions)::bigint AS rejects,
        (SELECT count(*) FROM v_deliveries WHERE status = 'pending') AS undelivered,
        (SELECT count(*) FROM v_drift) AS verdicts
"""
REFERENCE = "SELECT traces, since, until, cardinality(segments) AS segments FROM v_baselines WHERE in_force"
JUDGED = """
    SELECT coalesce(sum(n), 0) AS traces, max(pane) AS until
    FROM (SELECT pane, max(n) AS n FROM v_drift WHERE segment = 'all' GROUP BY pane) AS panes
"""
BARS = """
    SELECT signal, evidence, drifted, reference_value AS reference, current_value AS now FROM v_drift
    WHERE segment = 'all' AND pane = :until ORDER BY evidence DESC, signal
"""
ALERTS = """
    SELECT id, status, segment, onset, summary, signals,
        coalesce((SELECT min(pane) FROM v_drift AS d WHERE d.segment = a.segment AND drifted), onset) AS pane
    FROM v_alerts AS a WHERE inhibited_by IS NULL ORDER BY fired_at, id
"""
TRACES_OF = "SELECT count(*) AS traces FROM v_traces WHERE build = :build AND time < :until"


def stored(reader: Reader) -> int:
    return int(next(iter(reader.rows("SELECT coalesce(sum(traces), 0) AS n FROM v_partitions", {})))["n"])


def progress(reader: Reader) -> Progress:
    """One look at the views."""
    (counts,) = reader.rows(COUNTS, {})
    found = [Reference(**row) for row in reader.rows(REFERENCE, {})]
    if not found:
        return Progress(**counts)
    (judged,) = reader.rows(JUDGED, {})
    bars = tuple(Bar(**row) for row in reader.rows(BARS, {"until": judged["until"]}))
    return Progress(
        **counts, judged=found[0].traces + round(judged["traces"]), until=judged["until"], reference=found[0], bars=bars
    )


def alerts(reader: Reader) -> list[Alert]:
    """Alerts that somebody is told of, oldest first."""
    return [Alert(**row) for row in reader.rows(ALERTS, {})]


def traces_of(reader: Reader, build: str, until: datetime) -> int:
    """Traces of a build from before an instant."""
    (row,) = reader.rows(TRACES_OF, {"build": build, "until": until})
    return int(row["traces"])


def questions(build: str) -> tuple[Question, ...]:
    """What a person on call would ask next; ``build`` is the one that carries the change."""
    return (
        Question(
            "Which build answers worse? Mean of each score, 0 is good and 1 is bad.",
            "SELECT score, build, count(*) AS traces, round(avg(value)::numeric, 3) AS mean\n"
            "FROM v_scores WHERE status = 'ok' GROUP BY score, build ORDER BY score, mean",
            {},
        ),
        Question(
            "What drifted, and since when?",
            "SELECT signal, min(onset) AS since, min(pane) AS alarmed,\n"
            "    round(max(reference_value)::numeric, 3) AS reference,\n"
            "    round((sum(current_value * n) / sum(n))::numeric, 3) AS now\n"
            "FROM v_drift WHERE drifted AND segment = 'all' GROUP BY signal ORDER BY alarmed, max(evidence) DESC",
            {},
        ),
        Question(
            "Where did that build make things up? Ten answers with the least support in the help pages.",
            "SELECT left(t.prompt, 30) AS prompt, (\n"
            "    SELECT string_agg(substr(t.response, (a ->> 0)::int + 1, (a ->> 1)::int - (a ->> 0)::int), ' ')\n"
            "    FROM jsonb_array_elements(s.spans) WITH ORDINALITY AS span (a, place) WHERE place <= 5\n"
            ") AS words_that_no_page_has\n"
            "FROM v_scores AS s JOIN v_traces AS t USING (tenant, id, time)\n"
            "WHERE s.score = 'grounding.lexical' AND s.status = 'ok' AND t.build = :build\n"
            "ORDER BY s.value DESC, s.time LIMIT 10",
            {"build": build},
        ),
    )
