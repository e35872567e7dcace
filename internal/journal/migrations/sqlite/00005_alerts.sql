-- +goose Up

-- Where an alert stands (pending, matched, unmatched, refused) and which run looks into it.
ALTER TABLE alerts ADD COLUMN state TEXT NOT NULL DEFAULT 'pending';
ALTER TABLE alerts ADD COLUMN run TEXT NOT NULL DEFAULT '';
UPDATE alerts SET state = 'unmatched' WHERE done <> 0;
UPDATE alerts SET state = 'matched' WHERE done <> 0 AND outcome LIKE 'run %';
CREATE INDEX alerts_state ON alerts (state, n);

-- The most urgent run's message goes to Temporal first.
ALTER TABLE outbox ADD COLUMN urgency INTEGER NOT NULL DEFAULT 0;
