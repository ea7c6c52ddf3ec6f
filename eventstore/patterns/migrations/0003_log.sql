-- Of which log the patterns are made: another installation that is given the same database leaves them alone.

ALTER TABLE patterns.progress ADD COLUMN log text NOT NULL DEFAULT '';
