-- Traces: one row each, by day of the trace's own time, so that a producer's retry meets the same key.
CREATE TABLE traces (
    time timestamptz NOT NULL,
    tenant text NOT NULL,
    id text NOT NULL,
    build text NOT NULL,
    model text NOT NULL,
    prompt_template text,
    environment text,
    user_id text,
    session_id text,
    trace_id text,
    span_id text,
    received_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    record jsonb NOT NULL,
    prompt_embedding bytea,
    response_embedding bytea,
    PRIMARY KEY (tenant, id, time)
) PARTITION BY RANGE (time);
CREATE INDEX traces_time ON traces USING brin (time);
CREATE INDEX traces_build ON traces (build, time);
CREATE TABLE traces_default PARTITION OF traces DEFAULT;
ALTER TABLE traces ALTER COLUMN prompt_embedding SET STORAGE EXTERNAL;
ALTER TABLE traces ALTER COLUMN response_embedding SET STORAGE EXTERNAL;

-- Signals and scores of each trace, written in the same transaction.
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

-- What each commit adds to each pane: the judge adds the rows of a closed pane and deletes them.
CREATE TABLE sums (
    baseline integer NOT NULL,
    segment text NOT NULL,
    pane timestamptz NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    n double precision NOT NULL,
    total bytea NOT NULL,
    PRIMARY KEY (baseline, segment, pane, topic, partition, first_offset)
);
ALTER TABLE sums ALTER COLUMN total SET STORAGE EXTERNAL;

-- Judged panes, all partitions added.
CREATE TABLE panes (
    pane timestamptz NOT NULL,
    baseline integer NOT NULL,
    segment text NOT NULL,
    n double precision NOT NULL,
    total bytea NOT NULL,
    PRIMARY KEY (baseline, segment, pane)
) PARTITION BY RANGE (pane);
CREATE TABLE panes_default PARTITION OF panes DEFAULT;

CREATE TABLE verdicts (
    pane timestamptz NOT NULL,
    segment text NOT NULL,
    signal text NOT NULL,
    baseline integer NOT NULL,
    n double precision NOT NULL,
    effect_kind text NOT NULL,
    effect double precision NOT NULL,
    reference_value double precision,
    current_value double precision,
    log_e double precision NOT NULL,
    log_threshold double precision NOT NULL,
    drifted boolean NOT NULL,
    onset timestamptz,
    shares jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (baseline, segment, signal, pane)
) PARTITION BY RANGE (pane);
CREATE INDEX verdicts_pane ON verdicts (pane);
CREATE INDEX verdicts_drifted ON verdicts (pane) WHERE drifted;
CREATE TABLE verdicts_default PARTITION OF verdicts DEFAULT;

-- Where each partition is to be read from, and how its reading stands.
CREATE TABLE offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    next bigint NOT NULL,
    baseline integer NOT NULL DEFAULT 0,
    "end" bigint NOT NULL DEFAULT 0,
    event_time timestamptz,
    data_at timestamptz NOT NULL DEFAULT now(),
    resumed_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    traces bigint NOT NULL DEFAULT 0,
    repeats bigint NOT NULL DEFAULT 0,
    rejects bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Records the broker dropped before they were read.
CREATE TABLE offset_gaps (
    topic text NOT NULL,
    partition integer NOT NULL,
    first_missing bigint NOT NULL,
    resumed_at_offset bigint NOT NULL,
    noticed_at timestamptz NOT NULL,
    told boolean NOT NULL DEFAULT false,
    PRIMARY KEY (topic, partition, first_missing)
);

CREATE TABLE baselines (
    version integer PRIMARY KEY,
    source text NOT NULL,
    space text NOT NULL,
    traces bigint NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    judged_from timestamptz NOT NULL,
    sha256 text NOT NULL,
    stack bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reference_sets (
    baseline integer NOT NULL REFERENCES baselines,
    segment text NOT NULL,
    traces bigint NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (baseline, segment)
);

-- The state of the sequential tests of one segment; the row is the judge's lock.
CREATE TABLE watches (
    baseline integer NOT NULL REFERENCES baselines,
    segment text NOT NULL,
    judged_until timestamptz NOT NULL,
    state bytea NOT NULL,
    recent timestamptz[] NOT NULL DEFAULT '{}',
    late double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (baseline, segment)
);

CREATE TABLE builds (
    build text PRIMARY KEY,
    model jsonb NOT NULL,
    prompt_template jsonb,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    traces bigint NOT NULL
);

CREATE TABLE alerts (
    id text PRIMARY KEY,
    fingerprint text NOT NULL,
    labels jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('firing', 'acknowledged', 'resolved')),
    onset timestamptz NOT NULL,
    fired_at timestamptz NOT NULL,
    resolved_at timestamptz,
    summary text NOT NULL,
    signals text[] NOT NULL,
    evidence jsonb NOT NULL,
    inhibited_by text REFERENCES alerts
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (fingerprint) WHERE status <> 'resolved';

CREATE TABLE alert_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert text NOT NULL REFERENCES alerts,
    at timestamptz NOT NULL,
    happening text NOT NULL,
    summary text NOT NULL
);

-- Messages for people, written with the transition they tell of; a delivery is one message to one endpoint.
CREATE TABLE outbox (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    alert text NOT NULL REFERENCES alerts,
    fingerprint text NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE deliveries (
    sequence bigint NOT NULL REFERENCES outbox,
    endpoint text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    last_attempt_at timestamptz,
    last_status integer,
    last_error text,
    PRIMARY KEY (sequence, endpoint)
);
CREATE INDEX deliveries_pending ON deliveries (endpoint, sequence) WHERE status = 'pending';

CREATE TABLE endpoints (
    name text PRIMARY KEY,
    disabled_at timestamptz,
    reason text
);

CREATE TABLE rejects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    headers jsonb NOT NULL,
    key bytea,
    value bytea NOT NULL,
    forwarded_at timestamptz,
    replayed_at timestamptz
);
CREATE INDEX rejects_waiting ON rejects (id) WHERE forwarded_at IS NULL;
ALTER TABLE rejects ALTER COLUMN value SET STORAGE EXTERNAL;
