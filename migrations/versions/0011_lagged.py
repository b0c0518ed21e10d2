"""A second reference beside the golden one: the traffic of some days before, renewed every day."""

from alembic import op

revision = "0011"
down_revision = "0010"

VIEW = """
    CREATE OR REPLACE VIEW v_drift AS
    SELECT v.pane, v.segment, v.signal, v.n, v.effect_kind, v.effect, v.reference_value, v.current_value,
        v.log_e, v.log_threshold, v.log_e / v.log_threshold AS evidence, v.drifted, v.onset, v.shares, v.baseline{more}
    FROM verdicts AS v
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run(
        """
        CREATE TABLE lagged_sets (
            baseline integer NOT NULL REFERENCES baselines,
            judged_from timestamptz NOT NULL,
            segment text NOT NULL,
            since timestamptz NOT NULL,
            until timestamptz NOT NULL,
            traces bigint NOT NULL,
            content bytea NOT NULL,
            PRIMARY KEY (baseline, judged_from, segment)
        )
        """
    )
    run(
        "ALTER TABLE watches ADD COLUMN lagged_from timestamptz, ADD COLUMN lagged bytea,"
        " ADD COLUMN building boolean NOT NULL DEFAULT false"
    )
    run("ALTER TABLE verdicts ADD COLUMN reference text NOT NULL DEFAULT 'golden'")
    run("ALTER TABLE verdicts DROP CONSTRAINT verdicts_pkey")
    run("ALTER TABLE verdicts ADD PRIMARY KEY (baseline, segment, signal, pane, reference)")
    run(VIEW.format(more=", v.reference"))
    run(
        "COMMENT ON COLUMN v_drift.reference IS"
        " 'What the pane was compared with: golden, the baseline''s; lagged, the traffic of drift.lagged_days before.'"
    )


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("DELETE FROM verdicts WHERE reference <> 'golden'")
    run("DROP VIEW v_drift")
    run(VIEW.format(more=""))
    run("ALTER TABLE verdicts DROP CONSTRAINT verdicts_pkey")
    run("ALTER TABLE verdicts DROP COLUMN reference")
    run("ALTER TABLE verdicts ADD PRIMARY KEY (baseline, segment, signal, pane)")
    run("ALTER TABLE watches DROP COLUMN lagged_from, DROP COLUMN lagged, DROP COLUMN building")
    run("DROP TABLE lagged_sets")
