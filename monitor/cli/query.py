"""SQL over the public views."""

from __future__ import annotations

import sys

import click

from monitor.cli.output import FORMATS, Format, show

NAMED = {
    "builds": (
        "Which build answers worse: each score's mean by build",
        "SELECT build, score, count(*) AS traces, avg(value) AS mean, min(time) AS since FROM v_scores"
        " WHERE status = 'ok' GROUP BY build, score ORDER BY score, since",
    ),
    "drift": (
        "What drifted, when, and how strongly",
        "SELECT segment, signal, reference AS against, min(onset) AS onset, min(pane) AS alarmed,"
        " max(evidence) AS evidence,"
        " avg(reference_value) AS reference, sum(current_value * n) / sum(n) AS while_drifted"
        " FROM v_drift WHERE drifted"
        " GROUP BY segment, signal, reference ORDER BY alarmed, evidence DESC",
    ),
    "worst": (
        "The traces with the worst scores",
        "SELECT score, value, time, id, build, left(prompt, 60) AS prompt, left(response, 100) AS response FROM ("
        " SELECT s.score, s.value, s.time, s.id, s.build, t.prompt, t.response,"
        " row_number() OVER (PARTITION BY s.score ORDER BY s.value DESC, s.time DESC) AS place"
        " FROM v_scores AS s JOIN v_traces AS t USING (tenant, id, time)"
        " WHERE s.status = 'ok' AND s.score IN ('grounding.lexical', 'uncertainty.mean_nll')) AS ranked"
        " WHERE place <= 5 ORDER BY score, place",
    ),
    "claims": (
        "The sentences least likely held by their context, with the best evidence there and the novel words",
        "SELECT value, sentence, novel, document, evidence, time, id, build FROM v_claims"
        " WHERE flagged ORDER BY value DESC, time DESC LIMIT 20",
    ),
    "canaries": (
        "Golden prompts: the pinned answer beside the newest, by target",
        "SELECT target, canary, state, evidence, shift, answer_changed, pinned_exact_match, exact_match, pinned_build,"
        " build, status, at FROM v_canaries ORDER BY target, canary",
    ),
    "rejects": (
        "What was set aside, by reason",
        "SELECT reason, count(*) AS records, max(received_at) AS last FROM v_rejects GROUP BY reason ORDER BY 2 DESC",
    ),
    "guard": (
        "What guards said, by policy, rule and verdict",
        "SELECT policy, verdict, rule, count(*) AS traces, avg(score) AS mean_score, avg(latency_s) AS mean_latency_s,"
        " count(*) FILTER (WHERE degraded) AS degraded, max(time) AS last FROM v_guard_decisions"
        " GROUP BY policy, verdict, rule ORDER BY policy, traces DESC",
    ),
}
LISTED = "\n".join(f"  {name:8}  {about}" for name, (about, _) in NAMED.items())


@click.command(
    help=f"""Run SQL, or a query by name, read-only over the views.

\b
Views: v_traces v_scores v_claims v_drift v_alerts v_alert_events v_builds v_deliveries v_rejects v_partitions
    v_baselines v_feedback v_labels v_calibrations v_certificates v_guard_decisions
    v_canaries v_canary_results

\b
Named queries:
{LISTED}

\b
Examples:
  driftwarden query drift
  driftwarden query "SELECT build, count(*) FROM v_traces GROUP BY 1"
  driftwarden query - --format csv < question.sql > answer.csv
"""
)
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 3600), default=30, show_default=True, help="Seconds."
)
def query(sql: str, form: Format, timeout_s: float) -> None:
    from datetime import timedelta

    from monitor import wiring
    from monitor.storage.reader import PostgresReader

    text = sys.stdin.read() if sql == "-" else NAMED[sql][1] if sql in NAMED else sql
    reader = PostgresReader(wiring.engine(wiring.settings()), timeout=timedelta(seconds=timeout_s))
    show(reader.rows(text.replace(":", r"\:"), {}), form)
