-- What people said of answers. Feedback that is sent again is the same by its key. ``value`` is json, not jsonb: what a
-- producer sent may hold numbers that only text can hold.
CREATE TABLE feedback (
    tenant text NOT NULL,
    id text NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    value json,
    comment text,
    bad boolean,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id, source, kind, at)
);
CREATE INDEX feedback_at ON feedback (at);

-- How far the topic of feedback was read; apart from ``offsets``, whose event times close panes.
CREATE TABLE feedback_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- The newest of each score is in force.
CREATE TABLE calibrations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    score text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('prior', 'platt', 'isotonic')),
    labels integer NOT NULL,
    slope double precision NOT NULL,
    intercept double precision NOT NULL,
    knot_scores double precision[],
    knot_shares double precision[],
    error_before double precision NOT NULL,
    error double precision NOT NULL,
    brier double precision NOT NULL,
    fitted_at timestamptz NOT NULL
);

CREATE TABLE certificates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    score text NOT NULL,
    promise text NOT NULL CHECK (promise IN ('missed', 'clean')),
    level double precision NOT NULL,
    delta double precision,
    threshold double precision NOT NULL,
    labels integer NOT NULL,
    bad integer NOT NULL,
    flagged double precision NOT NULL,
    made_at timestamptz NOT NULL
);

CREATE VIEW v_feedback AS
SELECT f.tenant, f.id, f.at, f.kind, f.value, f.comment, f.source, f.bad, f.received_at FROM feedback AS f;
COMMENT ON VIEW v_feedback IS 'Everything people said of answers; tenant and id are those of the trace. bad is null where it does not say.';

CREATE VIEW v_labels AS
SELECT DISTINCT ON (f.tenant, f.id) f.tenant, f.id, f.bad, f.kind, f.source, f.at
FROM feedback AS f WHERE f.bad IS NOT NULL ORDER BY f.tenant, f.id, f.at DESC, f.received_at DESC, f.source, f.kind;
COMMENT ON VIEW v_labels IS 'One row per trace of which people said good or bad: the last that was said.';

CREATE VIEW v_calibrations AS
SELECT DISTINCT ON (c.score) c.score, c.kind, c.labels, c.slope, c.intercept, c.knot_scores, c.knot_shares,
    c.error_before, c.error, c.brier, c.fitted_at
FROM calibrations AS c ORDER BY c.score, c.id DESC;
COMMENT ON VIEW v_calibrations IS 'How each score becomes a probability: error is the expected calibration error out of fold, error_before that of the score as it is.';

CREATE VIEW v_certificates AS
SELECT c.id, c.score, c.promise, c.level, c.delta, c.threshold, c.labels, c.bad, c.flagged, c.made_at,
    drifting.alert IS NOT NULL AS void, drifting.alert
FROM certificates AS c LEFT JOIN LATERAL (
    SELECT min(a.id) AS alert FROM alerts AS a WHERE a.status <> 'resolved' AND c.score = ANY (a.signals)
) AS drifting ON true;
COMMENT ON VIEW v_certificates IS 'Promises about a threshold: missed bounds the share of bad answers below it, clean the share of good ones among those below it, with probability 1 - delta. Void while an open alert says that the score drifts.';

-- Monotone; between knots it is linear, beyond them constant.
CREATE FUNCTION calibrated(value double precision, kind text, slope double precision, intercept double precision,
    knot_scores double precision[], knot_shares double precision[]) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN value IS NULL OR kind IS NULL THEN NULL
        WHEN kind = 'isotonic' THEN (
            SELECT CASE
                WHEN at = 0 THEN knot_shares[1]
                WHEN at = cardinality(knot_scores) THEN knot_shares[at]
                ELSE knot_shares[at] + (value - knot_scores[at]) / (knot_scores[at + 1] - knot_scores[at])
                    * (knot_shares[at + 1] - knot_shares[at])
            END FROM width_bucket(value, knot_scores) AS at)
        ELSE 1 / (1 + exp(-intercept - slope * ln(least(greatest(value, 0.01), 0.99) / (1 - least(greatest(value, 0.01), 0.99)))))
    END
$$;

CREATE OR REPLACE VIEW v_scores AS
SELECT t.time, t.tenant, t.id, t.build, s.name AS score,
    nullif(t.scalars[s.place], 'NaN') AS value,
    coalesce(split_part(t.reasons[t.reason_of[s.place]], ': ', 1), 'ok') AS status,
    regexp_replace(t.reasons[t.reason_of[s.place]], '^\w+: ', '') AS reason,
    coalesce((t.spans -> s.name)::jsonb, '[]') AS spans,
    calibrated(nullif(t.scalars[s.place], 'NaN'), c.kind, c.slope, c.intercept, c.knot_scores, c.knot_shares) AS calibrated
FROM traces AS t JOIN signals AS s ON s.score LEFT JOIN v_calibrations AS c ON c.score = s.name
WHERE t.scalars[s.place] <> 'NaN' OR t.reason_of[s.place] > 0;
COMMENT ON COLUMN v_scores.calibrated IS 'Probability that people call the answer bad, once the score was calibrated with feedback; null before.';
