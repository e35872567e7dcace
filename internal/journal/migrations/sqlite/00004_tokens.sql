-- +goose Up

-- The names that calls of the API are made under. hash is the SHA-256 of the token, which nobody but its holder has.
CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    doc  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
