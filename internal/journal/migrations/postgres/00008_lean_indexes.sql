-- +goose Up

-- In a storm an alert is three rows of indexes that nobody asks: its event is of no resource, and where it stands is asked of those that
-- are dealt with (alerts_pending knows the others).
DROP INDEX events_resource;
CREATE INDEX events_resource ON events (resource, seq) WHERE resource <> '';
DROP INDEX alerts_state;
CREATE INDEX alerts_state ON alerts (state, n) WHERE done <> 0;
