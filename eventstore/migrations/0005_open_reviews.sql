-- As 0004 for sessions: which reviews are open is asked at the start of a system, and by whoever lists them.

CREATE INDEX stored_events_review_opened_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'review.opened:');
CREATE INDEX stored_events_review_closed_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'review.closed:');
