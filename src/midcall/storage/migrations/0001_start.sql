-- Sids are their 16 bytes; the two letters follow from the column. Times are epoch seconds, UTC.
-- `log` is 0 from_client, 1 to_client, 2 status. `row` is the order of lists.

CREATE TABLE accounts (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    owner BLOB NOT NULL,
    friendly_name TEXT NOT NULL,
    status TEXT NOT NULL,
    auth_token TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT;
CREATE INDEX accounts_by_owner ON accounts (owner, row);

CREATE TABLE keys (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    account BLOB NOT NULL,
    friendly_name TEXT NOT NULL,
    secret TEXT NOT NULL,
    is_main INTEGER NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT;
CREATE INDEX keys_by_account ON keys (account, row);

CREATE TABLE applications (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    account BLOB NOT NULL,
    friendly_name TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    voice_url TEXT NOT NULL,
    voice_method TEXT NOT NULL,
    voice_fallback_url TEXT NOT NULL,
    voice_fallback_method TEXT NOT NULL,
    status_callback TEXT NOT NULL,
    status_callback_method TEXT NOT NULL,
    voice_caller_id_lookup INTEGER NOT NULL,
    public_application_connect_enabled INTEGER NOT NULL,
    sms_url TEXT NOT NULL,
    sms_method TEXT NOT NULL,
    sms_fallback_url TEXT NOT NULL,
    sms_fallback_method TEXT NOT NULL,
    sms_status_callback TEXT NOT NULL,
    message_status_callback TEXT NOT NULL
) STRICT;
CREATE INDEX applications_by_account ON applications (account, row);

-- Legs and rooms as they were last saved. `timers` is a JSON object, name to due time.
CREATE TABLE actors (
    row INTEGER PRIMARY KEY,
    owner TEXT NOT NULL UNIQUE,
    account BLOB NOT NULL,
    state BLOB NOT NULL,
    timers BLOB NOT NULL
) STRICT;

CREATE TABLE calls (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    account BLOB NOT NULL,
    parent BLOB,
    direction TEXT NOT NULL,
    from_ TEXT NOT NULL,
    to_ TEXT NOT NULL,
    status TEXT NOT NULL,
    is_final INTEGER NOT NULL,
    sdk_leg INTEGER NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    application BLOB,
    started_at REAL,
    answered_at REAL,
    ended_at REAL
) STRICT;
CREATE INDEX calls_by_account ON calls (account, row);

-- The logs. A status entry has no sid of its own.
-- Rows lie in the order of arrival, so that a group commit writes its messages side by side; keyed by (leg, log, seq)
-- WITHOUT ROWID, the same load wrote 1.6 times as many bytes (docs/decisions/0005).
CREATE TABLE entries (
    row INTEGER PRIMARY KEY,
    leg BLOB NOT NULL,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    account BLOB NOT NULL,
    sid BLOB,
    content BLOB NOT NULL,
    content_type TEXT NOT NULL,
    at REAL NOT NULL,
    UNIQUE (leg, log, seq)
) STRICT;
CREATE UNIQUE INDEX entries_by_sid ON entries (leg, log, sid) WHERE sid IS NOT NULL;

-- How far each connection has received a leg's to_client log.
CREATE TABLE cursors (
    leg BLOB NOT NULL,
    reader TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (leg, reader)
) STRICT, WITHOUT ROWID;

-- Subscriptions (log 0; the sid is the ZY sid) and status lanes (log 2; the sid is the leg's).
-- `ready_at` says when a lane may be claimed; it is NULL while the lane has nothing to send.
CREATE TABLE lanes (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL,
    log INTEGER NOT NULL,
    account BLOB NOT NULL,
    leg BLOB NOT NULL,
    created_at REAL NOT NULL,
    url TEXT NOT NULL,
    method TEXT NOT NULL,
    encoding TEXT,
    cursor INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_at REAL NOT NULL,
    state TEXT NOT NULL,
    closing INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    leased_until REAL,
    deleted INTEGER NOT NULL,
    ready_at REAL,
    UNIQUE (sid, log)
) STRICT;
CREATE INDEX lanes_by_leg ON lanes (leg, log);
CREATE INDEX lanes_by_account ON lanes (account, row);
CREATE INDEX lanes_ready ON lanes (ready_at) WHERE ready_at IS NOT NULL;

-- An appended entry gives work to the lanes at rest that read its log.
-- A trigger, because the row and the wake-up must never come apart, and because it saves a statement per message.
CREATE TRIGGER entry_wakes_lanes AFTER INSERT ON entries WHEN NEW.log <> 1 BEGIN
    UPDATE lanes SET ready_at = due_at
    WHERE leg = NEW.leg AND log = NEW.log AND ready_at IS NULL AND state <> 'ended';
END;

CREATE TABLE undelivered (
    row INTEGER PRIMARY KEY,
    account BLOB NOT NULL,
    leg BLOB NOT NULL,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    reader TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL,
    UNIQUE (leg, log, seq, reader)
) STRICT;
CREATE INDEX undelivered_by_account ON undelivered (account, row);

CREATE TABLE idempotency (
    leg BLOB NOT NULL,
    account BLOB NOT NULL,
    endpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    resource BLOB NOT NULL,
    PRIMARY KEY (leg, account, endpoint, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    account BLOB NOT NULL,
    call BLOB,
    code INTEGER NOT NULL,
    level TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL,
    line INTEGER,
    request_url TEXT
) STRICT;
CREATE INDEX alerts_by_account ON alerts (account, row);
CREATE INDEX alerts_by_call ON alerts (call, row) WHERE call IS NOT NULL;
