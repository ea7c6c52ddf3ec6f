-- Patterns are made when a session has ended, again when it is answered late, and when its episode goes on: without
-- this, whoever makes them would have to read every window to find those rows. Few rows are in it.

CREATE INDEX stored_events_turns_idx ON eventlog.stored_events (notification_id)
    WHERE starts_with(topic, 'session.ended:') OR starts_with(topic, 'session.lost:')
        OR starts_with(topic, 'episode.')
        OR starts_with(topic, 'session.feedback-received:') OR starts_with(topic, 'session.action-failed:');
