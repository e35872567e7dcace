-- +goose Up

-- In a storm an alert costs rows of indexes that nobody asks: its event is of no resource, and where it stands is asked of those that are
-- dealt with (alerts_pending knows the others). PostgreSQL keeps the whole indexes: to build them anew would stop its other engines.
DROP INDEX events_resource;
CREATE INDEX events_resource ON events (resource, seq) WHERE resource <> '';
DROP INDEX alerts_state;
CREATE INDEX alerts_state ON alerts (state, n) WHERE done <> 0;
