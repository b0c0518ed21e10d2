"""Golden prompts, the answers to them, and how each target stands beside its reference."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        CREATE TABLE canaries (
            name text PRIMARY KEY,
            digest text NOT NULL,
            content jsonb NOT NULL,
            added_at timestamptz NOT NULL
        );

        -- A reference of a target and the state of the test against it; the row is the lock of who judges an answer.
        CREATE TABLE canary_pins (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            target text NOT NULL,
            repeats integer NOT NULL,
            begun_at timestamptz NOT NULL,
            ended_at timestamptz,
            build text,
            watch jsonb NOT NULL,
            changed boolean NOT NULL DEFAULT false,
            since timestamptz,
            log_e double precision NOT NULL DEFAULT 0,
            log_threshold double precision NOT NULL DEFAULT 0
        );
        CREATE UNIQUE INDEX canary_pins_one_open ON canary_pins (target) WHERE ended_at IS NULL;

        CREATE TABLE canary_results (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            target text NOT NULL,
            canary text NOT NULL,
            digest text NOT NULL,
            pin bigint REFERENCES canary_pins,
            pinned boolean NOT NULL,
            status text NOT NULL,
            reason text,
            build text,
            model text,
            answer text,
            finish_reason text,
            positions jsonb NOT NULL DEFAULT '[]',
            latency_s double precision,
            exact_match boolean,
            token_f1 double precision,
            rouge_l double precision,
            first_shift double precision,
            shift double precision,
            changed boolean,
            worse double precision,
            marks jsonb,
            log_e double precision
        );
        CREATE INDEX canary_results_sent ON canary_results (target, canary, id);
        CREATE INDEX canary_results_pinned ON canary_results (pin, digest, id) WHERE pinned;
        CREATE INDEX canary_results_tested ON canary_results (pin, id) WHERE marks IS NOT NULL AND NOT pinned;
        CREATE INDEX canary_results_at ON canary_results (at);

        CREATE VIEW v_canary_results AS
        SELECT r.id, r.at, r.target, r.canary, r.status, r.reason, r.build, r.answer, r.finish_reason, r.latency_s,
            (r.positions #>> ARRAY['0', 'best', r.positions #>> '{0,token}'])::double precision AS first_logprob,
            r.exact_match, r.token_f1, r.rouge_l, r.first_shift, r.shift, r.changed, r.pinned, r.log_e, r.model
        FROM canary_results AS r;
        COMMENT ON VIEW v_canary_results IS
            'One row per canary sent: what came back, and how far it is from the reference''s answer to the prompt.';
        COMMENT ON COLUMN v_canary_results.status IS
            'ok, away, timeout, busy (HTTP 429), refused or unreadable; reason says why.';
        COMMENT ON COLUMN v_canary_results.first_shift IS
            'Mean change of the log-probabilities of the most likely first tokens, in nats.';
        COMMENT ON COLUMN v_canary_results.shift IS
            'The same, over all positions that follow the same tokens (at most 16).';
        COMMENT ON COLUMN v_canary_results.token_f1 IS
            'With the nearest right answer; 1 is all of its words. rouge_l alike.';
        COMMENT ON COLUMN v_canary_results.log_e IS 'Evidence of a change of the target after this canary.';

        CREATE VIEW v_canaries AS
        SELECT p.target, c.name AS canary, c.content #>> '{messages,-1,content}' AS prompt,
            CASE WHEN coalesce(k.repetitions, 0) < p.repeats THEN 'learning' WHEN p.changed THEN 'changed'
                ELSE 'watched' END AS state,
            coalesce(k.repetitions, 0) AS repetitions,
            greatest(p.log_e, 0) / nullif(p.log_threshold, 0) AS evidence, p.since,
            p.build AS pinned_build, n.build, f.answer AS pinned_answer, n.answer,
            f.first_logprob AS pinned_first_logprob, n.first_logprob, n.shift, n.changed AS answer_changed,
            f.exact_match AS pinned_exact_match, n.exact_match, f.token_f1 AS pinned_token_f1, n.token_f1,
            n.at, l.status, l.reason, p.begun_at AS pinned_at, l.at AS sent_at
        FROM canary_pins AS p CROSS JOIN canaries AS c
            LEFT JOIN LATERAL (SELECT count(*) AS repetitions, min(r.id) AS first FROM canary_results AS r
                WHERE r.pin = p.id AND r.digest = c.digest AND r.pinned) AS k ON true
            LEFT JOIN v_canary_results AS f ON f.id = k.first
            LEFT JOIN LATERAL (SELECT * FROM v_canary_results AS r
                WHERE r.target = p.target AND r.canary = c.name ORDER BY r.id DESC LIMIT 1) AS l ON true
            LEFT JOIN LATERAL (SELECT * FROM v_canary_results AS r
                WHERE r.target = p.target AND r.canary = c.name AND r.status = 'ok'
                ORDER BY r.id DESC LIMIT 1) AS n ON true
        WHERE p.ended_at IS NULL;
        COMMENT ON VIEW v_canaries IS
            'One row per target and golden prompt: the pinned answer beside the newest, and the evidence of a change'
            ' of the target.';
        COMMENT ON COLUMN v_canaries.state IS
            'learning while the reference has too few answers to the prompt, then watched; changed while a change is'
            ' reported.';
        COMMENT ON COLUMN v_canaries.evidence IS 'Of the target, all prompts together; an alert starts at 1.';
        COMMENT ON COLUMN v_canaries.status IS
            'Of the last canary, sent at sent_at; the answer is that of the last that was ok.';
        """
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        DROP VIEW v_canaries;
        DROP VIEW v_canary_results;
        DROP TABLE canary_results;
        DROP TABLE canary_pins;
        DROP TABLE canaries;
        """
    )
