-- By the name of a score: the sentences of the answer, each with its span, value, passage, evidence there, novel words.
ALTER TABLE traces ADD COLUMN claims json;

CREATE OR REPLACE VIEW v_scores AS
SELECT t.time, t.tenant, t.id, t.build, s.name AS score,
    nullif(t.scalars[s.place], 'NaN') AS value,
    coalesce(split_part(t.reasons[t.reason_of[s.place]], ': ', 1), 'ok') AS status,
    regexp_replace(t.reasons[t.reason_of[s.place]], '^\w+: ', '') AS reason,
    coalesce((t.spans -> s.name)::jsonb, '[]') AS spans,
    calibrated(nullif(t.scalars[s.place], 'NaN'), c.kind, c.slope, c.intercept, c.knot_scores, c.knot_shares) AS calibrated,
    coalesce((t.claims -> s.name)::jsonb, '[]') AS claims
FROM traces AS t JOIN signals AS s ON s.score LEFT JOIN v_calibrations AS c ON c.score = s.name
WHERE t.scalars[s.place] <> 'NaN' OR t.reason_of[s.place] > 0;
COMMENT ON COLUMN v_scores.claims IS 'Sentences of the response that the score judged one by one: span, value, number of the passage that holds most of it (from 0), span of the evidence there, and spans of the words that no passage holds. In words: v_claims.';

-- What stands at [start, end) of a text.
CREATE FUNCTION span_text(whole text, span json) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT substr(whole, (span ->> 0)::int + 1, (span ->> 1)::int - (span ->> 0)::int)
$$;

CREATE VIEW v_claims AS
SELECT t.time, t.tenant, t.id, t.build, judged.key AS score, listed.place,
    (listed.claim ->> 'value')::double precision AS value,
    EXISTS (SELECT FROM json_array_elements(t.spans -> judged.key) AS flag
        WHERE (flag ->> 0)::int < (listed.claim #>> '{span,1}')::int
        AND (flag ->> 1)::int > (listed.claim #>> '{span,0}')::int) AS flagged,
    span_text(answer.text, listed.claim -> 'span') AS sentence,
    (listed.claim -> 'span')::jsonb AS span,
    (listed.claim ->> 'passage')::int AS passage,
    t.record #>> ARRAY['context', listed.claim ->> 'passage', 'id'] AS document,
    span_text(t.record #>> ARRAY['context', listed.claim ->> 'passage', 'text'], listed.claim -> 'evidence') AS evidence,
    ARRAY(SELECT span_text(answer.text, word) FROM json_array_elements(listed.claim -> 'novel') WITH ORDINALITY AS words (word, at)
        ORDER BY at) AS novel
FROM traces AS t
    CROSS JOIN LATERAL (SELECT trace_response(t.record) AS text OFFSET 0) AS answer
    CROSS JOIN LATERAL json_each(t.claims) AS judged
    CROSS JOIN LATERAL json_array_elements(judged.value) WITH ORDINALITY AS listed (claim, place);
COMMENT ON VIEW v_claims IS 'One row per sentence of a response that grounding judged: the sentence, its best evidence in the context, and the words that come from nowhere.';
COMMENT ON COLUMN v_claims.value IS 'Probability that something in the sentence is unsupported.';
COMMENT ON COLUMN v_claims.flagged IS 'A span of the score lies in the sentence.';
COMMENT ON COLUMN v_claims.passage IS 'Number of the passage in context, from 0; document is its id, evidence the sentence there that holds most.';
COMMENT ON COLUMN v_claims.novel IS 'Words of the sentence that neither a passage nor the question holds.';
