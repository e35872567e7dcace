-- +goose Up

-- What the journal is called in Temporal: all engines that share it work on the same workflows. One row, once an engine has started.
CREATE TABLE identity (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL
) STRICT;

-- Which process the engine is at present, and which Temporal it works with.
ALTER TABLE engines ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE engines ADD COLUMN temporal TEXT NOT NULL DEFAULT '';
