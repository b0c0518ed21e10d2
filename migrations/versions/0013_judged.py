"""What a language model said of answers, as the score `judge`."""

from alembic import op

revision = "0013"
down_revision = "0012"

SCORES = """
    CREATE OR REPLACE VIEW v_scores AS
    SELECT t.time, t.tenant, t.id, t.build, s.name AS score,
        nullif(t.scalars[s.place], 'NaN') AS value,
        coalesce(split_part(t.reasons[t.reason_of[s.place]], ': ', 1), 'ok') AS status,
        regexp_replace(t.reasons[t.reason_of[s.place]], '^\\w+: ', '') AS reason,
        coalesce((t.spans -> s.name)::jsonb, '[]') AS spans,
        calibrated(nullif(t.scalars[s.place], 'NaN'), c.kind, c.slope, c.intercept, c.knot_scores, c.knot_shares)
            AS calibrated,
        coalesce((t.claims -> s.name)::jsonb, '[]') AS claims
    FROM traces AS t JOIN signals AS s ON s.score LEFT JOIN v_calibrations AS c ON c.score = s.name
    WHERE (t.scalars[s.place] <> 'NaN' OR t.reason_of[s.place] > 0)
"""
JUDGED = """
    UNION ALL
    SELECT t.time, t.tenant, t.id, t.build, 'judge', j.value, j.status, j.reason, j.spans,
        calibrated(j.value, c.kind, c.slope, c.intercept, c.knot_scores, c.knot_shares), '[]'::jsonb
    FROM judgements AS j JOIN traces AS t USING (tenant, id, time) LEFT JOIN v_calibrations AS c ON c.score = 'judge'
"""


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run(
        """
        CREATE TABLE judgements (
            tenant text NOT NULL,
            id text NOT NULL,
            time timestamptz NOT NULL,
            value double precision,
            status text NOT NULL,
            reason text,
            spans jsonb NOT NULL DEFAULT '[]',
            digest text,
            requests integer NOT NULL,
            judged_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, id, time)
        );
        CREATE INDEX judgements_at ON judgements (judged_at);
        CREATE INDEX judgements_digest ON judgements (digest) WHERE status = 'ok';
        """
    )
    run(SCORES + JUDGED)


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run(SCORES)
    run("DROP TABLE judgements")
