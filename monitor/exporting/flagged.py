"""Answers that a score, a person or a guard speaks against, with all that is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Mapping
from typing import Any

from monitor.exporting.texts import conversation, decode
from monitor.exporting.wanted import Wanted
from monitor.model.texts import response_of
from monitor.model.trace import Trace
from monitor.ports import Reader

FLAGS = ("score", "label", "guard")
VERDICTS = ("abstain", "deny")

HITS = {
    "score": "SELECT t.tenant, t.id, t.time FROM v_scores AS s JOIN v_traces AS t USING (tenant, id, time)"
    " WHERE s.status = 'ok' AND ({scores}) AND {wanted}",
    "label": "SELECT t.tenant, t.id, t.time FROM v_labels AS l JOIN v_traces AS t USING (tenant, id)"
    " WHERE l.bad AND {wanted}",
    "guard": "SELECT t.tenant, t.id, t.time FROM v_guard_decisions AS g JOIN v_traces AS t USING (tenant, id, time)"
    " WHERE g.verdict IN ('abstain', 'deny') AND {wanted}",
}
SQL = """
    WITH hits AS MATERIALIZED ({hits})
    SELECT t.tenant, t.id, t.time, t.build, t.record::text AS record, told.scores, told.spans, held.claims,
        l.bad, l.kind, l.source, c.correction, c.comment
    FROM hits JOIN v_traces AS t USING (tenant, id, time) LEFT JOIN v_labels AS l USING (tenant, id)
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(s.score, s.value) AS scores,
            jsonb_object_agg(s.score, s.spans) FILTER (WHERE s.spans <> '[]') AS spans
        FROM v_scores AS s
        WHERE (s.tenant, s.id, s.time) = (t.tenant, t.id, t.time) AND s.status = 'ok'
    ) AS told
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('sentence', k.sentence, 'value', k.value, 'span', k.span,
            'document', k.document, 'evidence', k.evidence, 'novel', k.novel) ORDER BY k.score, k.place) AS claims
        FROM v_claims AS k WHERE (k.tenant, k.id, k.time) = (t.tenant, t.id, t.time) AND k.flagged
    ) AS held
    LEFT JOIN LATERAL (
        SELECT (array_agg(f.value #>> '{{}}' ORDER BY f.at DESC)
                FILTER (WHERE f.kind = 'correction' AND json_typeof(f.value) = 'string'))[1] AS correction,
            (array_agg(f.comment ORDER BY f.at DESC) FILTER (WHERE f.comment IS NOT NULL))[1] AS comment
        FROM v_feedback AS f WHERE f.tenant = t.tenant AND f.id = t.id
    ) AS c ON true
    ORDER BY t.time, t.tenant, t.id
"""


def flagged(
    reader: Reader,
    wanted: Wanted,
    *,
    scores: Mapping[str, float],
    flags: Collection[str],
    counts: Counter[str],
) -> Generator[Mapping[str, Any]]:
    """Traces as rows, oldest first; ``counts`` grows beside them, by what speaks against each.

    Args:
        reader: of the views.
        wanted: which traces are looked at.
        scores: from which value on a score speaks against an answer.
        flags: of FLAGS, those that count.
        counts: of reasons; a trace may have several.
    """
    conditions, values = wanted.conditions()
    against = " OR ".join(f"(s.score = :score_{i} AND s.value >= :least_{i})" for i in range(len(scores))) or "false"
    for place, (name, least) in enumerate(scores.items()):
        values = {**values, f"score_{place}": name, f"least_{place}": least}
    hits = " UNION ".join(HITS[flag].format(scores=against, wanted=conditions) for flag in FLAGS if flag in flags)
    for row in reader.rows(SQL.format(hits=hits), values):
        trace = decode(row["record"])
        reasons = reasons_of(row, trace, scores, flags)
        counts.update(reason.partition(" ")[0] for reason in reasons)
        yield row_of(row, trace, reasons)


def reasons_of(row: Mapping[str, Any], trace: Trace, scores: Mapping[str, float], flags: Collection[str]) -> list[str]:
    found: list[str] = []
    if "label" in flags and row["bad"]:
        found.append(f"label {row['kind']}")
    if "guard" in flags and trace.guard is not None and trace.guard.verdict in VERDICTS:
        found.append(f"guard {trace.guard.verdict}")
    if "score" in flags:
        told = row["scores"] or {}
        found += [f"score {name} {told[name]:.4g}" for name, least in scores.items() if told.get(name, -1.0) >= least]
    return found


def row_of(row: Mapping[str, Any], trace: Trace, reasons: list[str]) -> Mapping[str, Any]:
    """A line of the file; parts of messages that are no text are left out."""
    guard = trace.guard
    return {
        "tenant": row["tenant"],
        "id": row["id"],
        "time": row["time"].isoformat(),
        "build": row["build"],
        "reasons": reasons,
        "messages": conversation(trace),
        "response": response_of(trace),
        "context": [{"id": each.id, "text": each.text} for each in trace.context],
        "scores": dict(sorted((row["scores"] or {}).items())),
        "spans": dict(sorted((row["spans"] or {}).items())),
        "claims": row["claims"] or [],
        "label": None if row["bad"] is None else {"bad": row["bad"], "kind": row["kind"], "source": row["source"]},
        "correction": row["correction"],
        "comment": row["comment"],
        "guard": None if guard is None else {"verdict": guard.verdict, "rule": guard.rule, "policy": guard.policy},
    }
