-- What clients tell about their calls. `leg` is NULL until an insight with the same `temporary` sid names the call.

CREATE TABLE insights (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    account TEXT NOT NULL,
    leg TEXT,
    temporary TEXT,
    kind TEXT NOT NULL,
    group_ TEXT NOT NULL,
    name TEXT NOT NULL,
    level TEXT NOT NULL,
    at REAL NOT NULL,
    received_at REAL NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX insights_by_leg ON insights (leg, row) WHERE leg IS NOT NULL;
CREATE INDEX insights_named ON insights (account, temporary) WHERE leg IS NOT NULL AND temporary IS NOT NULL;
CREATE INDEX insights_unnamed ON insights (account, temporary) WHERE leg IS NULL;
CREATE INDEX insights_strayed ON insights (received_at) WHERE leg IS NULL;
