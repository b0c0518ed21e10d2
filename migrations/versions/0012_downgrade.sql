DROP VIEW v_claims;
DROP FUNCTION span_text;
DROP VIEW v_scores;
CREATE VIEW v_scores AS
SELECT t.time, t.tenant, t.id, t.build, s.name AS score,
    nullif(t.scalars[s.place], 'NaN') AS value,
    coalesce(split_part(t.reasons[t.reason_of[s.place]], ': ', 1), 'ok') AS status,
    regexp_replace(t.reasons[t.reason_of[s.place]], '^\w+: ', '') AS reason,
    coalesce((t.spans -> s.name)::jsonb, '[]') AS spans,
    calibrated(nullif(t.scalars[s.place], 'NaN'), c.kind, c.slope, c.intercept, c.knot_scores, c.knot_shares) AS calibrated
FROM traces AS t JOIN signals AS s ON s.score LEFT JOIN v_calibrations AS c ON c.score = s.name
WHERE t.scalars[s.place] <> 'NaN' OR t.reason_of[s.place] > 0;
COMMENT ON VIEW v_scores IS 'One row per trace and score; 0 is good, 1 is bad; value is null unless status is ok, and reason says why.';
COMMENT ON COLUMN v_scores.spans IS 'Character offsets [start, end) in the response that the score rests on.';
COMMENT ON COLUMN v_scores.calibrated IS 'Probability that people call the answer bad, once the score was calibrated with feedback; null before.';
ALTER TABLE traces DROP COLUMN claims;
