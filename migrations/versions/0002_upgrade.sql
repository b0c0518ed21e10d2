-- Where each signal stands in the arrays of a trace; a place is given once.
CREATE TABLE signals (
    kind text NOT NULL CHECK (kind IN ('scalar', 'category')),
    place smallint NOT NULL,
    name text NOT NULL UNIQUE,
    score boolean NOT NULL,
    PRIMARY KEY (kind, place)
);

INSERT INTO signals (kind, place, name, score)
SELECT kind, row_number() OVER (PARTITION BY kind ORDER BY name), name, score FROM (
    SELECT name, min(kind) AS kind, bool_or(score) AS score FROM (
        SELECT key AS name, CASE jsonb_typeof(value) WHEN 'string' THEN 'category' ELSE 'scalar' END AS kind, false AS score
        FROM scores, jsonb_each(signals)
        UNION SELECT key, 'scalar', true FROM scores, jsonb_each(scores)
    ) AS listed GROUP BY name
) AS named;

-- scalars: NaN where a signal is missing. reason_of: by the place of a score which of the reasons tells why it has no
-- value, 0 where it has one; a reason is 'status: words'. spans: by the name of a score.
ALTER TABLE traces
    ADD COLUMN scalars double precision[] NOT NULL DEFAULT '{}',
    ADD COLUMN categories text[] NOT NULL DEFAULT '{}',
    ADD COLUMN reasons text[],
    ADD COLUMN reason_of smallint[],
    ADD COLUMN spans json;

UPDATE traces AS t SET
    scalars = (
        SELECT coalesce(array_agg(coalesce(s.signals ->> n.name, s.scores -> n.name ->> 'value', 'NaN')::double precision
            ORDER BY n.place), '{}')
        FROM signals AS n WHERE n.kind = 'scalar'),
    categories = (
        SELECT coalesce(array_agg(s.signals ->> n.name ORDER BY n.place), '{}') FROM signals AS n WHERE n.kind = 'category'),
    reasons = missing.reasons,
    reason_of = (
        SELECT array_agg(coalesce(array_position(missing.reasons,
            (s.scores -> n.name ->> 'status') || ': ' || (s.scores -> n.name ->> 'reason')), 0)::smallint ORDER BY n.place)
        FROM signals AS n WHERE n.kind = 'scalar' AND missing.reasons IS NOT NULL),
    spans = (
        SELECT json_object_agg(key, value -> 'spans') FROM jsonb_each(s.scores) WHERE value -> 'spans' <> '[]')
FROM scores AS s, LATERAL (
    SELECT array_agg(DISTINCT (value ->> 'status') || ': ' || (value ->> 'reason')) AS reasons
    FROM jsonb_each(s.scores) WHERE value ->> 'status' <> 'ok'
) AS missing
WHERE t.tenant = s.tenant AND t.id = s.id AND t.time = s.time;

-- A row of 2 kB is otherwise compressed and cut up, which costs more than all else of it; up to 8 kB it stays whole.
DO $$
DECLARE part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'traces'::regclass LOOP
        EXECUTE 'ALTER TABLE ' || part || ' SET (toast_tuple_target = 8160)';
    END LOOP;
END $$;

CREATE OR REPLACE VIEW v_traces AS
SELECT t.time, t.tenant, t.id, t.build, t.model, t.prompt_template, t.environment, t.user_id, t.session_id,
    trace_prompt(t.record) AS prompt, trace_response(t.record) AS response,
    t.record #>> '{output_messages,0,finish_reason}' AS finish_reason,
    coalesce(t.record ->> 'status', 'ok') AS status,
    nullif(t.scalars[(SELECT place FROM signals WHERE name = 'prompt.tokens')], 'NaN') AS prompt_tokens,
    nullif(t.scalars[(SELECT place FROM signals WHERE name = 'response.tokens')], 'NaN') AS response_tokens,
    nullif(t.scalars[(SELECT place FROM signals WHERE name = 'latency')], 'NaN') AS latency_s,
    t.trace_id, t.span_id, t.received_at, t.topic, t.partition, t."offset", t.record
FROM traces AS t;

CREATE OR REPLACE VIEW v_scores AS
SELECT t.time, t.tenant, t.id, t.build, s.name AS score,
    nullif(t.scalars[s.place], 'NaN') AS value,
    coalesce(split_part(t.reasons[t.reason_of[s.place]], ': ', 1), 'ok') AS status,
    regexp_replace(t.reasons[t.reason_of[s.place]], '^\w+: ', '') AS reason,
    coalesce((t.spans -> s.name)::jsonb, '[]') AS spans
FROM traces AS t JOIN signals AS s ON s.score
WHERE t.scalars[s.place] <> 'NaN' OR t.reason_of[s.place] > 0;

DROP TABLE scores;
