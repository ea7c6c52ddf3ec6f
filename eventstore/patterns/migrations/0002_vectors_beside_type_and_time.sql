-- Where only a type or a time is asked for, all vectors of which it holds are compared from the index, without the table.

DROP INDEX patterns.attack_patterns_time_idx;
DROP INDEX patterns.attack_patterns_attack_idx;
CREATE INDEX attack_patterns_time_idx
    ON patterns.attack_patterns (decided_us, session) INCLUDE (schema, features);
CREATE INDEX attack_patterns_attack_idx
    ON patterns.attack_patterns (attack, decided_us, session) INCLUDE (schema, features);
