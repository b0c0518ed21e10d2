-- The views are the API of the drift database: columns are added, never renamed or removed within a major version.

CREATE FUNCTION parts_text(parts jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(string_agg(text, E'\n' ORDER BY place), '') FROM (
        SELECT CASE WHEN jsonb_typeof(part -> 'content') = 'string' THEN part ->> 'content' ELSE part ->> 'text' END AS text, place
        FROM jsonb_array_elements(parts) WITH ORDINALITY AS listed (part, place)
        WHERE coalesce(part ->> 'type', 'text') = 'text'
    ) AS texts WHERE text <> ''
$$;

CREATE FUNCTION trace_prompt(record jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        record ->> 'prompt_text',
        (SELECT parts_text(message -> 'parts')
         FROM jsonb_array_elements(record -> 'input_messages') WITH ORDINALITY AS listed (message, place)
         ORDER BY (message ->> 'role' = 'user') DESC, place DESC LIMIT 1),
        '')
$$;

CREATE FUNCTION trace_response(record jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(parts_text(record #> '{output_messages,0,parts}'), '')
$$;

CREATE VIEW v_traces AS
SELECT t.time, t.tenant, t.id, t.build, t.model, t.prompt_template, t.environment, t.user_id, t.session_id,
    trace_prompt(t.record) AS prompt, trace_response(t.record) AS response,
    t.record #>> '{output_messages,0,finish_reason}' AS finish_reason,
    coalesce(t.record ->> 'status', 'ok') AS status,
    (s.signals ->> 'prompt.tokens')::double precision AS prompt_tokens,
    (s.signals ->> 'response.tokens')::double precision AS response_tokens,
    (s.signals ->> 'latency')::double precision AS latency_s,
    t.trace_id, t.span_id, t.received_at, t.topic, t.partition, t."offset", t.record
FROM traces AS t LEFT JOIN scores AS s USING (tenant, id, time);
COMMENT ON VIEW v_traces IS 'One row per trace: what was asked and answered, by which build; record is what the producer sent, without vectors.';
COMMENT ON COLUMN v_traces.build IS 'Deployment that answered: name, precision and a hash over revision, quantization, adapter and prompt template.';
COMMENT ON COLUMN v_traces.prompt IS 'prompt_text, else the text of the last user message.';

CREATE VIEW v_scores AS
SELECT s.time, s.tenant, s.id, t.build, score.key AS score,
    (score.value ->> 'value')::double precision AS value,
    score.value ->> 'status' AS status,
    score.value ->> 'reason' AS reason,
    coalesce(score.value -> 'spans', '[]') AS spans
FROM scores AS s JOIN traces AS t USING (tenant, id, time), jsonb_each(s.scores) AS score;
COMMENT ON VIEW v_scores IS 'One row per trace and score; 0 is good, 1 is bad; value is null unless status is ok, and reason says why.';
COMMENT ON COLUMN v_scores.spans IS 'Character offsets [start, end) in the response that the score rests on.';

CREATE VIEW v_drift AS
SELECT v.pane, v.segment, v.signal, v.n, v.effect_kind, v.effect, v.reference_value, v.current_value,
    v.log_e, v.log_threshold, v.log_e / v.log_threshold AS evidence, v.drifted, v.onset, v.shares, v.baseline
FROM verdicts AS v;
COMMENT ON VIEW v_drift IS 'One row per pane, segment and signal: the effect in native units and the evidence; drifted where evidence reached 1 and has not cleared.';
COMMENT ON COLUMN v_drift.pane IS 'Start of the pane, event time.';
COMMENT ON COLUMN v_drift.shares IS 'While drifted: which sub-segments carry the change; shares of one label add to about 1.';

CREATE VIEW v_alerts AS
SELECT a.id, a.fingerprint, a.labels ->> 'kind' AS kind, a.labels ->> 'segment' AS segment, a.status, a.onset, a.fired_at,
    a.resolved_at, a.summary, a.signals, a.evidence, a.inhibited_by, a.labels, a.evidence #> '{explanation,causes}' AS causes
FROM alerts AS a;
COMMENT ON VIEW v_alerts IS 'One row per alert; onset is event time, fired_at and resolved_at are the judge''s clock.';
COMMENT ON COLUMN v_alerts.evidence IS 'Figures of each signal that drifted, and under "explanation" what caused it, with examples by tenant, id and time.';
COMMENT ON COLUMN v_alerts.causes IS 'Causes with kind, name, share and p-value, largest share first, the last being what is unexplained; null where nothing was compared.';

CREATE VIEW v_alert_events AS
SELECT e.id, e.alert, e.at, e.happening, e.summary FROM alert_events AS e;
COMMENT ON VIEW v_alert_events IS 'Every transition of every alert.';

CREATE VIEW v_builds AS
SELECT b.build, b.first_seen, b.last_seen, b.traces, b.model, b.prompt_template FROM builds AS b;
COMMENT ON VIEW v_builds IS 'Deployments seen in the traces, by event time.';

CREATE VIEW v_deliveries AS
SELECT o.id AS message, o.alert, o.fingerprint, d.endpoint, d.status, d.attempts, d.next_attempt_at, d.last_attempt_at,
    d.last_status, d.last_error, o.created_at
FROM outbox AS o JOIN deliveries AS d USING (sequence);
COMMENT ON VIEW v_deliveries IS 'One row per message and endpoint.';

CREATE VIEW v_rejects AS
SELECT r.id, r.received_at, r.topic, r.partition, r."offset", r.reason, r.message, octet_length(r.value) AS bytes,
    r.forwarded_at, r.replayed_at
FROM rejects AS r;
COMMENT ON VIEW v_rejects IS 'Records that could not become traces, with the reason; the bytes are kept in rejects.value.';

CREATE VIEW v_partitions AS
SELECT o.topic, o.partition, o.next, o."end", greatest(o."end" - o.next, 0) AS lag, o.event_time, o.data_at, o.resumed_at, o.seen_at,
    o.traces, o.repeats, o.rejects
FROM offsets AS o;
COMMENT ON VIEW v_partitions IS 'How far each partition was read: offsets, lag, and exact counts of traces, repeats and rejects.';

CREATE VIEW v_baselines AS
SELECT b.version, b.source, b.space, b.traces, b.since, b.until, b.judged_from, b.sha256, b.created_at,
    b.version = (SELECT max(version) FROM baselines) AS in_force,
    (SELECT array_agg(r.segment ORDER BY r.segment) FROM reference_sets AS r WHERE r.baseline = b.version) AS segments
FROM baselines AS b;
COMMENT ON VIEW v_baselines IS 'Baselines, the highest version being in force.';
