-- Alerts of no call are deleted by age; those of a call go with it.
CREATE INDEX alerts_by_age ON alerts (at) WHERE call IS NULL;
