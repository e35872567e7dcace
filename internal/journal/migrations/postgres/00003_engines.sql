-- +goose Up

-- What the journal is called in Temporal: all engines that share it work on the same workflows. One row, once an engine has started.
CREATE TABLE identity (
    one  BIGINT PRIMARY KEY CHECK (one = 1),
    name TEXT COLLATE "C" NOT NULL
);

-- Which process the engine is at present, and which Temporal it works with.
ALTER TABLE engines ADD COLUMN boot TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE engines ADD COLUMN temporal TEXT COLLATE "C" NOT NULL DEFAULT '';
