"""What guards said, read off the traces: their rows, days and retention are those of the traces."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        CREATE VIEW v_guard_decisions AS
        SELECT t.time, t.tenant, t.id, t.build, g.guard ->> 'verdict' AS verdict, g.guard ->> 'action' AS action,
            g.guard ->> 'policy' AS policy, g.guard ->> 'policy_hash' AS policy_hash, g.guard ->> 'rule' AS rule,
            (g.guard ->> 'score')::double precision AS score,
            (g.guard ->> 'latency_s')::double precision AS latency_s,
            coalesce((g.guard ->> 'degraded')::boolean, false) AS degraded,
            coalesce(g.guard -> 'stages', '[]') AS stages, coalesce(g.guard -> 'findings', '[]') AS findings
        FROM traces AS t, LATERAL (SELECT t.record -> 'guard' AS guard OFFSET 0) AS g
        WHERE jsonb_typeof(g.guard) = 'object';
        COMMENT ON VIEW v_guard_decisions IS
            'One row per trace that a guard checked: its strictest verdict, what was done, and every rule that fired.';
        COMMENT ON COLUMN v_guard_decisions.verdict IS
            'allow, warn, abstain or deny; rules in shadow mode have no part in it.';
        COMMENT ON COLUMN v_guard_decisions.action IS 'What whoever asked the guard says it did.';
        COMMENT ON COLUMN v_guard_decisions.policy_hash IS 'Names the rules exactly, whatever the policy is called.';
        COMMENT ON COLUMN v_guard_decisions.degraded IS 'A rule was not measured, for want of time or for an error.';
        COMMENT ON COLUMN v_guard_decisions.findings IS
            'rule, stage, mode, verdict, score, threshold, part and spans of each rule that fired.';
        """
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP VIEW v_guard_decisions")
