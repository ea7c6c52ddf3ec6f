-- One append in one round trip and one transaction. Called alone, it is on disk when it answers.
--
-- The lock makes the order of commits the order of positions: a reader never passes one that is still to come. It keeps
-- writers waiting for each other, never readers. Positions without gaps inside a call: the answer is the first one.
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
