-- A system that starts asks which sessions are open: without these it would have to read the whole log. The turns of a
-- session's life are alone in their rows, so that only those are in the indexes.

CREATE INDEX stored_events_session_started_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'session.started:');
CREATE INDEX stored_events_session_over_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'session.ended:') OR starts_with(topic, 'session.lost:');
