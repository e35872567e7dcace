-- +goose Up

-- The one line that says how long the chain is and how it ends, so that a cut tail shows.
CREATE TABLE chain (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    events INTEGER NOT NULL,
    head   TEXT NOT NULL
) STRICT;
INSERT INTO chain (one, events, head) VALUES (1, 0, '');

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL, -- nanoseconds since 1970, as all times here
    resource TEXT NOT NULL,
    run      TEXT NOT NULL,
    kind     TEXT NOT NULL,
    by       TEXT NOT NULL,
    body     TEXT NOT NULL,    -- canonical JSON, hashed as it stands
    prev     TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
CREATE INDEX events_run ON events (run, seq) WHERE run <> '';
CREATE INDEX events_resource ON events (resource, seq);
CREATE INDEX events_kind ON events (kind, seq);

-- +goose StatementBegin
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_next BEFORE INSERT ON events WHEN NEW.seq IS NOT (SELECT events + 1 FROM chain) BEGIN
    SELECT RAISE(ABORT, 'events are numbered without gaps');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_count AFTER INSERT ON events BEGIN
    UPDATE chain SET events = NEW.seq, head = NEW.hash;
END;
-- +goose StatementEnd

-- Revision per resource; the name '' is the account.
CREATE TABLE revisions (
    name     TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
    resource TEXT PRIMARY KEY,
    policy   TEXT NOT NULL,
    by       TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

CREATE TABLE runs (
    n          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    key        TEXT NOT NULL,
    resource   TEXT NOT NULL,
    status     TEXT NOT NULL,
    open       INTEGER NOT NULL,
    duplicates INTEGER NOT NULL DEFAULT 0,
    doc        TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX runs_open_key ON runs (key) WHERE open = 1;
CREATE INDEX runs_resource ON runs (resource, n);
CREATE INDEX runs_status ON runs (status, n);

CREATE TABLE plans (
    run     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    hash    TEXT NOT NULL,
    answers TEXT NOT NULL,
    count   INTEGER NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT;

CREATE TABLE intents (
    n        INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    run      TEXT NOT NULL,
    resource TEXT NOT NULL,
    target   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    sent     TEXT NOT NULL,
    settled  INTEGER NOT NULL,
    doc      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX intents_one_unsettled ON intents (resource, target) WHERE settled = 0;
CREATE INDEX intents_run ON intents (run, n);
CREATE INDEX intents_recent ON intents (resource, at);

CREATE TABLE claims (
    resource TEXT NOT NULL,
    name     TEXT NOT NULL,
    run      TEXT NOT NULL,
    shared   INTEGER NOT NULL,
    kept     INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    PRIMARY KEY (resource, name, run)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX claims_alone ON claims (resource, name) WHERE shared = 0;
CREATE INDEX claims_run ON claims (run);

-- Which unsettled intent needs which claim.
CREATE TABLE needs (
    intent   TEXT NOT NULL,
    name     TEXT NOT NULL,
    resource TEXT NOT NULL,
    run      TEXT NOT NULL,
    PRIMARY KEY (intent, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX needs_claim ON needs (resource, name, run);

CREATE TABLE fences (
    resource TEXT NOT NULL,
    target   TEXT NOT NULL,
    fence    INTEGER NOT NULL,
    PRIMARY KEY (resource, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE spends (
    budget   TEXT NOT NULL,
    run      TEXT NOT NULL,
    target   TEXT NOT NULL,
    resource TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (budget, run, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX spends_at ON spends (at);

CREATE TABLE facts (
    resource TEXT NOT NULL,
    key      TEXT NOT NULL,
    doc      TEXT NOT NULL,
    PRIMARY KEY (resource, key)
) STRICT;

CREATE TABLE approvals (
    n        INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    run      TEXT NOT NULL,
    state    TEXT NOT NULL,    -- '', voided, rejected
    ended    INTEGER NOT NULL, -- when it was voided or rejected, 0
    doc      TEXT NOT NULL,    -- as it was given
    basis    TEXT NOT NULL     -- re-based
) STRICT;
CREATE INDEX approvals_run ON approvals (run, n);

CREATE TABLE holds (
    n        INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    released INTEGER NOT NULL,
    doc      TEXT NOT NULL
) STRICT;

CREATE TABLE acks (
    resource TEXT NOT NULL,
    target   TEXT NOT NULL,
    by       TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (resource, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
    run     TEXT NOT NULL,
    step    TEXT NOT NULL,
    answers TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
    hash     TEXT PRIMARY KEY,
    resource TEXT NOT NULL,
    basis    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    body     BLOB
) STRICT;
CREATE INDEX states_at ON states (at) WHERE body IS NOT NULL;

CREATE TABLE folded (
    resource TEXT PRIMARY KEY,
    basis    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT;

CREATE TABLE findings (
    key      TEXT PRIMARY KEY,
    resource TEXT NOT NULL,
    doc      TEXT NOT NULL
) STRICT;
CREATE INDEX findings_resource ON findings (resource);

-- A ring of 1,440 rows per resource: slot is the minute modulo 1,440.
CREATE TABLE vitals (
    resource TEXT NOT NULL,
    slot     INTEGER NOT NULL,
    minute   INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (resource, slot)
) STRICT;

CREATE TABLE alerts (
    n          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    received   INTEGER NOT NULL,
    done       INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    duplicates INTEGER NOT NULL DEFAULT 0,
    doc        TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_pending ON alerts (n) WHERE done = 0;

CREATE TABLE outbox (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    run  TEXT NOT NULL,
    key  TEXT NOT NULL
) STRICT;
