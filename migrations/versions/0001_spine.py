"""The spine: traces, scores, sums, offsets, baselines, verdicts, alerts and their outbox."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    here = Path(__file__).parent
    for name in ("0001_tables.sql", "0001_views.sql"):
        op.get_bind().exec_driver_sql((here / name).read_text())


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        DROP VIEW v_traces, v_scores, v_drift, v_alerts, v_alert_events, v_builds, v_deliveries, v_rejects,
            v_partitions, v_baselines;
        DROP FUNCTION trace_prompt(jsonb), trace_response(jsonb), parts_text(jsonb);
        DROP TABLE traces, scores, sums, panes, verdicts, offsets, offset_gaps, baselines, reference_sets, watches,
            builds, alert_events, deliveries, outbox, alerts, endpoints, rejects;
        """
    )
