-- +goose Up

-- Whether galen may act on what this journal says. Not armed: it only observes, until a person re-arms it.
CREATE TABLE epoch (
    one    BIGINT PRIMARY KEY CHECK (one = 1),
    number BIGINT NOT NULL,
    armed  BIGINT NOT NULL,
    why    TEXT COLLATE "C" NOT NULL,
    runs   TEXT COLLATE "C" NOT NULL, -- JSON: the IDs of those that were held for it
    by     TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL
);
INSERT INTO epoch (one, number, armed, why, runs, by, at) VALUES (1, 1, 1, '', '[]', '', 0);

-- The engine that a journal in a file belongs to: the one that started last.
CREATE TABLE owner (
    one    BIGINT PRIMARY KEY CHECK (one = 1),
    engine TEXT COLLATE "C" NOT NULL
);

-- Engines that live, and which of them watches which shard, by the clock of the store.
CREATE TABLE engines (
    name  TEXT COLLATE "C" PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE TABLE leases (
    name   TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    until  BIGINT NOT NULL
);
