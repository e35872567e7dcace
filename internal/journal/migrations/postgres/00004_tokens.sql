-- +goose Up

-- The names that calls of the API are made under. hash is the SHA-256 of the token, which nobody but its holder has.
CREATE TABLE tokens (
    name TEXT COLLATE "C" PRIMARY KEY,
    hash TEXT COLLATE "C" NOT NULL UNIQUE,
    doc  TEXT COLLATE "C" NOT NULL
);
