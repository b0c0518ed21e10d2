"""A baseline tells which segments the limit left without a reference."""

from alembic import op

revision = "0010"
down_revision = "0009"

VIEW = """
    CREATE OR REPLACE VIEW v_baselines AS
    SELECT b.version, b.source, b.space, b.traces, b.since, b.until, b.judged_from, b.sha256, b.created_at,
        b.version = (SELECT max(version) FROM baselines) AS in_force,
        (SELECT array_agg(r.segment ORDER BY r.segment) FROM reference_sets AS r WHERE r.baseline = b.version)
            AS segments, b.builds, b.run_length_lowest, b.run_length_highest{more}
    FROM baselines AS b
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("ALTER TABLE baselines ADD COLUMN left_out text[] NOT NULL DEFAULT '{}'")
    run(VIEW.format(more=", b.left_out"))
    run(
        "COMMENT ON COLUMN v_baselines.left_out IS 'Segments with enough traces that have no reference, since"
        " drift.segment_limit larger ones have: they are judged within all traffic only.'"
    )


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("DROP VIEW v_baselines")
    run(VIEW.format(more=""))
    run("ALTER TABLE baselines DROP COLUMN left_out")
