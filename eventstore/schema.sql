-- What migrations/ come to. To be read; a test compares it with a migrated database.

CREATE SCHEMA eventlog;

CREATE TABLE eventlog.migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE eventlog.stored_events (
    originator_id uuid NOT NULL,            -- the stream
    originator_version bigint NOT NULL,     -- of the row's first event; versions count events, from 1
    topic text NOT NULL,                    -- the names and versions of the events in it, in order of first use
    state bytea STORAGE EXTERNAL NOT NULL,  -- msgpack; see catalogue.md
    notification_id bigserial NOT NULL,     -- the position in the whole log
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON eventlog.stored_events (notification_id);

-- For the question which sessions are open.
CREATE INDEX stored_events_session_started_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'session.started:');
CREATE INDEX stored_events_session_over_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'session.ended:') OR starts_with(topic, 'session.lost:');

-- For the question which reviews are open.
CREATE INDEX stored_events_review_opened_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'review.opened:');
CREATE INDEX stored_events_review_closed_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'review.closed:');
CREATE INDEX stored_events_stage_entered_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'episode.stage-entered:');
CREATE INDEX stored_events_episode_completed_idx ON eventlog.stored_events (originator_id)
    WHERE strpos(topic, 'episode.completed:') > 0;

-- For the question what has turned since a position: see migrations/0007.
CREATE INDEX stored_events_turns_idx ON eventlog.stored_events (notification_id)
    WHERE starts_with(topic, 'session.ended:') OR starts_with(topic, 'session.lost:')
        OR starts_with(topic, 'episode.')
        OR starts_with(topic, 'session.feedback-received:') OR starts_with(topic, 'session.action-failed:');

CREATE TABLE eventlog.notification_tracking (
    application_name text PRIMARY KEY,      -- a reader
    notification_id bigint NOT NULL         -- how far it has come
);

CREATE TABLE eventlog.snapshots (
    originator_id uuid NOT NULL,
    revision text NOT NULL,                 -- of the state's shape and meaning: a program reads only its own
    originator_version bigint NOT NULL,     -- the last event that the state knows of
    state bytea NOT NULL,
    PRIMARY KEY (originator_id, revision)
);

-- What the learner reads instead of the log's telemetry, and can be made again from it.

CREATE TABLE eventlog.decision_blocks (
    kind text NOT NULL,                     -- 'decisions', 'facts' or 'sessions'
    schema text NOT NULL,                   -- the feature schema of decisions; else empty
    features integer NOT NULL,              -- the length of their state vectors; else 0
    first_position bigint NOT NULL,         -- the stretch of the log that the block was made from
    last_position bigint NOT NULL,
    records bytea STORAGE EXTERNAL NOT NULL,  -- of fixed layout, in the order of the log; see experiences.md
    PRIMARY KEY (kind, schema, features, last_position)
);

CREATE TABLE eventlog.decision_policies (
    policy integer PRIMARY KEY,            -- as the records name it
    name text NOT NULL                      -- digest of a model, or name and version of the rules
);

CREATE FUNCTION eventlog.append(
    streams uuid[], versions bigint[], topics text[], states bytea[],   -- rows, column by column
    readers text[], through bigint[]                                    -- how far readers have come; never back
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rows constant bigint := cardinality(streams);
    first bigint := 0;
BEGIN
    IF rows > 0 THEN
        LOCK TABLE eventlog.stored_events IN EXCLUSIVE MODE;
        first := nextval('eventlog.stored_events_notification_id_seq');
        PERFORM setval('eventlog.stored_events_notification_id_seq', first + rows - 1);
        INSERT INTO eventlog.stored_events (originator_id, originator_version, topic, state, notification_id)
        SELECT stream, version, topic, state, first + number - 1
        FROM unnest(streams, versions, topics, states) WITH ORDINALITY AS row (stream, version, topic, state, number);
    END IF;
    IF cardinality(readers) > 0 THEN
        INSERT INTO eventlog.notification_tracking AS old
        SELECT reader, position FROM unnest(readers, through) AS mark (reader, position) ORDER BY reader
        ON CONFLICT (application_name) DO UPDATE SET notification_id = excluded.notification_id
        WHERE old.notification_id < excluded.notification_id;
    END IF;
    RETURN first;
END
$$;
