-- What migrations/ come to. To be read; a test compares it with a migrated database.

CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA patterns;

CREATE TABLE patterns.migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE patterns.attack_patterns (
    session uuid PRIMARY KEY,
    episode uuid NOT NULL,
    stage smallint NOT NULL,                -- 1 or 2
    sandbox text NOT NULL,
    artifact text NOT NULL,                 -- sha256, 64 hexadecimal digits
    artifact_kind text NOT NULL,
    seq bigint NOT NULL,                    -- the deciding window
    features vector NOT NULL,               -- the state vector that the policy saw then
    schema text NOT NULL,                   -- the feature schema's id: only vectors of the same one are compared
    action smallint NOT NULL,               -- as in eventstore/catalogue.md
    policy text NOT NULL,                   -- digest of a model, or name and version of the rules
    leaning double precision NOT NULL,      -- how far the policy leaned to stopping the sample, 0 to 1
    bin smallint NOT NULL,                  -- of the leaning, in outcomes
    reward double precision,                -- of the whole session; NULL while the truth is not known
    attack text NOT NULL,                   -- what the telemetry looks like
    techniques text[] NOT NULL,             -- of MITRE ATT&CK
    families text[] NOT NULL,               -- the techniques, and those that they are sub-techniques of
    rules text[] NOT NULL,                  -- that recognised them
    truth text,                             -- 'malicious', 'benign', or NULL: not known
    started_us bigint NOT NULL,             -- microseconds since 1970
    decided_us bigint NOT NULL,
    ended_us bigint NOT NULL,
    position bigint NOT NULL,               -- the newest entry of the log that it follows from
    first_seen_us bigint,                   -- by the sandbox's clock; both NULL where it said none
    last_seen_us bigint
) WITH (fillfactor = 85);                   -- a correction stays on its page, and touches no index

-- The newest first, alone or of one kind; each with the session, so that a page begins behind any row. Of a type or a time
-- all vectors are compared from the index, without the table (up to some 600 numbers each: a B-tree holds no more).
CREATE INDEX attack_patterns_time_idx
    ON patterns.attack_patterns (decided_us, session) INCLUDE (schema, features);
CREATE INDEX attack_patterns_attack_idx
    ON patterns.attack_patterns (attack, decided_us, session) INCLUDE (schema, features);
CREATE INDEX attack_patterns_artifact_idx ON patterns.attack_patterns (artifact, decided_us, session);
CREATE INDEX attack_patterns_sandbox_idx ON patterns.attack_patterns (sandbox, decided_us, session);
CREATE INDEX attack_patterns_action_idx ON patterns.attack_patterns (action, decided_us, session);
CREATE INDEX attack_patterns_ran_idx
    ON patterns.attack_patterns (first_seen_us, decided_us, session) WHERE first_seen_us IS NOT NULL;
CREATE INDEX attack_patterns_families_idx ON patterns.attack_patterns USING gin (families);

-- What confidences are calibrated on. It always is what a count of attack_patterns comes to.
CREATE TABLE patterns.outcomes (
    policy text NOT NULL,
    bin smallint NOT NULL,
    malicious bigint NOT NULL,
    benign bigint NOT NULL,
    PRIMARY KEY (policy, bin)
);

-- One row: how far in the log the patterns go, of which revision they are, and of which log.
CREATE TABLE patterns.progress (
    revision text NOT NULL,
    position bigint NOT NULL,
    log text NOT NULL DEFAULT ''            -- when it was made, to the microsecond; empty: of nobody's yet
);
INSERT INTO patterns.progress (revision, position) VALUES ('', 0);

-- And, from the first pattern of each feature schema on, the index by which its patterns are compared:
-- attack_patterns_near_<digest of the schema's id>_idx, USING hnsw ((features::vector(<length>)) vector_l2_ops)
-- WHERE schema = '<id>'.
