CREATE TABLE scores (
    time timestamptz NOT NULL,
    tenant text NOT NULL,
    id text NOT NULL,
    signals jsonb NOT NULL,
    scores jsonb NOT NULL,
    PRIMARY KEY (tenant, id, time)
) PARTITION BY RANGE (time);
CREATE INDEX scores_time ON scores USING brin (time);
CREATE TABLE scores_default PARTITION OF scores DEFAULT;

INSERT INTO scores
SELECT t.time, t.tenant, t.id,
    coalesce((
        SELECT jsonb_object_agg(n.name, CASE n.kind WHEN 'scalar' THEN to_jsonb(t.scalars[n.place]) ELSE to_jsonb(t.categories[n.place]) END)
        FROM signals AS n
        WHERE n.kind = 'scalar' AND t.scalars[n.place] <> 'NaN' OR n.kind = 'category' AND t.categories[n.place] IS NOT NULL
    ), '{}'),
    coalesce((
        SELECT jsonb_object_agg(s.score, CASE s.status
            WHEN 'ok' THEN jsonb_build_object('value', s.value, 'status', s.status, 'spans', s.spans)
            ELSE jsonb_build_object('status', s.status, 'reason', s.reason) END)
        FROM v_scores AS s WHERE s.tenant = t.tenant AND s.id = t.id AND s.time = t.time
    ), '{}')
FROM traces AS t;

CREATE OR REPLACE VIEW v_traces AS
SELECT t.time, t.tenant, t.id, t.build, t.model, t.prompt_template, t.environment, t.user_id, t.session_id,
    trace_prompt(t.record) AS prompt, trace_response(t.record) AS response,
    t.record #>> '{output_messages,0,finish_reason}' AS finish_reason,
    coalesce(t.record ->> 'status', 'ok') AS status,
    (s.signals ->> 'prompt.tokens')::double precision AS prompt_tokens,
    (s.signals ->> 'response.tokens')::double precision AS response_tokens,
    (s.signals ->> 'latency')::double precision AS latency_s,
    t.trace_id, t.span_id, t.received_at, t.topic, t.partition, t."offset", t.record
FROM traces AS t LEFT JOIN scores AS s USING (tenant, id, time);

CREATE OR REPLACE VIEW v_scores AS
SELECT s.time, s.tenant, s.id, t.build, score.key AS score,
    (score.value ->> 'value')::double precision AS value,
    score.value ->> 'status' AS status,
    score.value ->> 'reason' AS reason,
    coalesce(score.value -> 'spans', '[]') AS spans
FROM scores AS s JOIN traces AS t USING (tenant, id, time), jsonb_each(s.scores) AS score;

ALTER TABLE traces DROP COLUMN scalars, DROP COLUMN categories, DROP COLUMN reasons, DROP COLUMN reason_of, DROP COLUMN spans;
DROP TABLE signals;
