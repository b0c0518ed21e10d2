"""A baseline says which builds answered its traces, and how often its null replay alarmed."""

from alembic import op

revision = "0008"
down_revision = "0007"

VIEW = """
    CREATE OR REPLACE VIEW v_baselines AS
    SELECT b.version, b.source, b.space, b.traces, b.since, b.until, b.judged_from, b.sha256, b.created_at,
        b.version = (SELECT max(version) FROM baselines) AS in_force,
        (SELECT array_agg(r.segment ORDER BY r.segment) FROM reference_sets AS r WHERE r.baseline = b.version)
            AS segments{more}
    FROM baselines AS b;
    COMMENT ON VIEW v_baselines IS 'Baselines, the highest version being in force.';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        ALTER TABLE baselines ADD COLUMN builds text[] NOT NULL DEFAULT '{}',
            ADD COLUMN run_length_lowest double precision, ADD COLUMN run_length_highest double precision;
        """
        + VIEW.format(more=", b.builds, b.run_length_lowest, b.run_length_highest")
        + """
        COMMENT ON COLUMN v_baselines.builds IS 'Deployments that answered the traces it was made of.';
        COMMENT ON COLUMN v_baselines.run_length_lowest IS
            'Mean panes to a false alarm over those aimed at, in a replay without change; of the lowest signal.';
        COMMENT ON COLUMN v_baselines.run_length_highest IS 'The same, of the highest signal.';
        """
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        "DROP VIEW v_baselines;"
        + VIEW.format(more="")
        + "ALTER TABLE baselines DROP COLUMN builds, DROP COLUMN run_length_lowest, DROP COLUMN run_length_highest"
    )
