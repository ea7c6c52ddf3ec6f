-- What the learner reads instead of the log's telemetry. Everything in these tables can be made again from
-- stored_events; their reader's position is in notification_tracking.

CREATE TABLE eventlog.decision_blocks (
    kind text NOT NULL,                         -- 'decisions', 'facts' or 'sessions'
    schema text NOT NULL,                       -- the feature schema of decisions; else empty
    features integer NOT NULL,                  -- the length of their state vectors; else 0
    first_position bigint NOT NULL,             -- the stretch of the log that the block was made from
    last_position bigint NOT NULL,
    records bytea NOT NULL,                     -- of fixed layout, in the order of the log; see experiences.md
    PRIMARY KEY (kind, schema, features, last_position)
);

-- They are read whole, and do not compress: leave them as they are.
ALTER TABLE eventlog.decision_blocks ALTER COLUMN records SET STORAGE EXTERNAL;

CREATE TABLE eventlog.decision_policies (
    policy integer PRIMARY KEY,                -- as the records name it
    name text NOT NULL                          -- digest of a model, or name and version of the rules
);
