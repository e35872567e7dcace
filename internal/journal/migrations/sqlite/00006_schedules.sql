-- +goose Up

-- What is asked for again and again. doc has when it fires next, and what became of the last time.
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    doc  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
