-- As 0004 for sessions: which episodes have no verdict is asked at the start of a system. A verdict may stand in one row
-- with what it follows from.

CREATE INDEX stored_events_stage_entered_idx ON eventlog.stored_events (originator_id)
    WHERE starts_with(topic, 'episode.stage-entered:');
CREATE INDEX stored_events_episode_completed_idx ON eventlog.stored_events (originator_id)
    WHERE strpos(topic, 'episode.completed:') > 0;
