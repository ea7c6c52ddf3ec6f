-- When a sample ran by its sandbox's clock: of a report that was imported, the rest says only when that was.

ALTER TABLE patterns.attack_patterns ADD COLUMN first_seen_us bigint, ADD COLUMN last_seen_us bigint;
CREATE INDEX attack_patterns_ran_idx
    ON patterns.attack_patterns (first_seen_us, decided_us, session) WHERE first_seen_us IS NOT NULL;
