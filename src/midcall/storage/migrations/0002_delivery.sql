-- What became of messages: receipts with their times, attempts, replays, and callbacks of applications.

-- How far each connection has received a leg's to_client log: a row per receipt, the last one is its cursor.
-- Clustered, because rows are small and a leg's newest is asked for with each message.
CREATE TABLE receipts (
    leg BLOB NOT NULL,
    seq INTEGER NOT NULL,
    reader TEXT NOT NULL,
    written_at REAL,
    at REAL,
    PRIMARY KEY (leg, seq, reader)
) STRICT, WITHOUT ROWID;
INSERT INTO receipts (leg, seq, reader) SELECT leg, seq, reader FROM cursors;
DROP TABLE cursors;

-- Connections whose client is away: nothing after that number was written to them.
CREATE TABLE bounds (
    leg BLOB NOT NULL,
    reader TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (leg, reader)
) STRICT, WITHOUT ROWID;

-- What was tried, one row per message and lane; messages that were not tried have none.
CREATE TABLE deliveries (
    leg BLOB NOT NULL,
    seq INTEGER NOT NULL,
    lane BLOB NOT NULL,
    is_replay INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    status INTEGER,
    error INTEGER,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    settled_at REAL NOT NULL,
    PRIMARY KEY (leg, seq, lane)
) STRICT, WITHOUT ROWID;

-- `start`: the number after which a lane began. `numbers`: a JSON array of [first, last] pairs; only replays have it.
-- `origin`: the subscription whose deliveries a replay repeats.
ALTER TABLE lanes ADD COLUMN start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN numbers TEXT;
ALTER TABLE lanes ADD COLUMN origin BLOB;
ALTER TABLE lanes ADD COLUMN reason TEXT NOT NULL DEFAULT '';
UPDATE lanes SET start = cursor;

ALTER TABLE undelivered ADD COLUMN resolved_at REAL;
ALTER TABLE undelivered ADD COLUMN resolved_by BLOB;

ALTER TABLE applications ADD COLUMN message_callback TEXT NOT NULL DEFAULT '';
ALTER TABLE applications ADD COLUMN message_callback_method TEXT NOT NULL DEFAULT 'POST';
