-- +goose Up

-- Whose alert it is, once it is matched; '' of any other.
ALTER TABLE alerts ADD COLUMN resource TEXT NOT NULL DEFAULT '';
UPDATE alerts SET resource = COALESCE((SELECT runs.resource FROM runs WHERE runs.id = alerts.run), '') WHERE run <> '';
CREATE INDEX alerts_owned ON alerts (n) WHERE resource <> '';
CREATE INDEX alerts_resource ON alerts (resource, n) WHERE resource <> '';
