-- The event log: one row for each append. The columns of the first two tables are those of the eventsourcing library,
-- so that its own recorders, tests and tools can read them.

CREATE TABLE eventlog.stored_events (
    originator_id uuid NOT NULL,            -- the stream
    originator_version bigint NOT NULL,     -- of the row's first event; versions count events, from 1
    topic text NOT NULL,                    -- the names and versions of the events in it, in order of first use
    state bytea NOT NULL,                   -- msgpack; see catalogue.md
    notification_id bigserial NOT NULL,     -- the position in the whole log
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON eventlog.stored_events (notification_id);

-- Compressing a row above 2 kB takes the server 4 us an event; leaving it as it is, 0.6.
ALTER TABLE eventlog.stored_events ALTER COLUMN state SET STORAGE EXTERNAL;

CREATE TABLE eventlog.notification_tracking (
    application_name text PRIMARY KEY,      -- a reader
    notification_id bigint NOT NULL         -- how far it has come
);

-- Only a way to load faster: everything in it can be made again from stored_events.
CREATE TABLE eventlog.snapshots (
    originator_id uuid NOT NULL,
    revision text NOT NULL,                 -- of the state's shape and meaning: a program reads only its own
    originator_version bigint NOT NULL,     -- the last event that the state knows of
    state bytea NOT NULL,
    PRIMARY KEY (originator_id, revision)
);
