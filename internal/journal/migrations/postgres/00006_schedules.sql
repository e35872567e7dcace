-- +goose Up

-- What is asked for again and again. doc has when it fires next, and what became of the last time.
CREATE TABLE schedules (
    name TEXT COLLATE "C" PRIMARY KEY,
    doc  TEXT COLLATE "C" NOT NULL
);
