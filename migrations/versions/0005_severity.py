"""An alert says how severe it is."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        ALTER TABLE alerts ADD COLUMN severity text NOT NULL DEFAULT 'warning'
            CHECK (severity IN ('info', 'warning', 'critical'));
        CREATE OR REPLACE VIEW v_alerts AS
        SELECT a.id, a.fingerprint, a.labels ->> 'kind' AS kind, a.labels ->> 'segment' AS segment, a.status, a.onset,
            a.fired_at, a.resolved_at, a.summary, a.signals, a.evidence, a.inhibited_by, a.labels,
            a.evidence #> '{explanation,causes}' AS causes, a.severity
        FROM alerts AS a;
        COMMENT ON COLUMN v_alerts.severity IS
            'info, warning or critical: by the size of the shift and the evidence beyond the false-alarm budget.';
        """
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        DROP VIEW v_alerts;
        CREATE VIEW v_alerts AS
        SELECT a.id, a.fingerprint, a.labels ->> 'kind' AS kind, a.labels ->> 'segment' AS segment, a.status, a.onset,
            a.fired_at, a.resolved_at, a.summary, a.signals, a.evidence, a.inhibited_by, a.labels,
            a.evidence #> '{explanation,causes}' AS causes
        FROM alerts AS a;
        ALTER TABLE alerts DROP COLUMN severity;
        """
    )
