"""An alert says whether anyone is told of it."""

from alembic import op

revision = "0014"
down_revision = "0013"

VIEW = """
    CREATE OR REPLACE VIEW v_alerts AS
    SELECT a.id, a.fingerprint, a.labels ->> 'kind' AS kind, a.labels ->> 'segment' AS segment, a.status, a.onset,
        a.fired_at, a.resolved_at, a.summary, a.signals, a.evidence, a.inhibited_by, a.labels,
        a.evidence #> '{{explanation,causes}}' AS causes, a.severity, a.resolution{more}
    FROM alerts AS a;
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("ALTER TABLE alerts ADD COLUMN paged boolean NOT NULL DEFAULT true")
    run("UPDATE alerts SET paged = false WHERE inhibited_by IS NOT NULL")
    run(VIEW.format(more=", a.paged"))
    run(
        "COMMENT ON COLUMN v_alerts.paged IS"
        " 'Whether people are told: not of what an alert of all traffic says, nor of traffic that changed alone.'"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP VIEW v_alerts;" + VIEW.format(more="") + "ALTER TABLE alerts DROP COLUMN paged")
