"""An alert says why it ended: the drift cleared, or a person accepted it as the new baseline."""

from alembic import op

revision = "0009"
down_revision = "0008"

VIEW = """
    CREATE OR REPLACE VIEW v_alerts AS
    SELECT a.id, a.fingerprint, a.labels ->> 'kind' AS kind, a.labels ->> 'segment' AS segment, a.status, a.onset,
        a.fired_at, a.resolved_at, a.summary, a.signals, a.evidence, a.inhibited_by, a.labels,
        a.evidence #> '{{explanation,causes}}' AS causes, a.severity{more}
    FROM alerts AS a;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("ALTER TABLE alerts ADD COLUMN resolution text CHECK (resolution IN ('cleared', 'accepted'))")
    run("UPDATE alerts SET resolution = 'cleared' WHERE status = 'resolved'")
    run(VIEW.format(more=", a.resolution"))
    run(
        "COMMENT ON COLUMN v_alerts.resolution IS"
        " 'Why it ended: cleared, or accepted by a person as the new baseline; null while it is open.'"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        "DROP VIEW v_alerts;" + VIEW.format(more="") + "ALTER TABLE alerts DROP COLUMN resolution"
    )
