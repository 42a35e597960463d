CREATE TABLE events (
    row INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    account TEXT,
    leg TEXT,
    kind TEXT NOT NULL,
    detail BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_leg ON events (leg, row) WHERE leg IS NOT NULL;
