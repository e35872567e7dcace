-- +goose Up

-- Whether galen may act on what this journal says. Not armed: it only observes, until a person re-arms it.
CREATE TABLE epoch (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    armed  INTEGER NOT NULL,
    why    TEXT NOT NULL,
    runs   TEXT NOT NULL, -- JSON: the IDs of those that were held for it
    by     TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
INSERT INTO epoch (one, number, armed, why, runs, by, at) VALUES (1, 1, 1, '', '[]', '', 0);

-- The engine that a journal in a file belongs to: the one that started last.
CREATE TABLE owner (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    engine TEXT NOT NULL
) STRICT;

-- Engines that live, and which of them watches which shard, by the clock of the store.
CREATE TABLE engines (
    name  TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
