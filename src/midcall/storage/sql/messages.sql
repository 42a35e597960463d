-- Logs, cursors, idempotency, undelivered entries.

-- name: leg_view
-- What `admit` has to know, and whether the entry is there already, in one go.
SELECT
    account, status, sdk_leg,
    (SELECT max(seq) FROM entries WHERE leg = ?1 AND log = ?2) AS last_seq,
    CASE WHEN ?2 = 1 THEN (SELECT max(seq) FROM receipts WHERE leg = ?1) END AS cursor,
    (SELECT seq FROM entries WHERE leg = ?1 AND log = ?2 AND sid = ?3) AS seq
FROM calls WHERE sid = ?1

-- name: last_seq
SELECT max(seq) FROM entries WHERE leg = ? AND log = ?

-- name: append_entry
INSERT INTO entries (leg, log, seq, account, sid, content, content_type, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: entry
SELECT leg, log, seq, account, sid, content, content_type, at FROM entries WHERE leg = ? AND log = ? AND seq = ?

-- name: entry_by_sid
SELECT leg, log, seq, account, sid, content, content_type, at FROM entries WHERE leg = ? AND log = ? AND sid = ?

-- name: entries_after
SELECT leg, log, seq, account, sid, content, content_type, at FROM entries
WHERE leg = ? AND log = ? AND seq > ? ORDER BY seq LIMIT ?

-- name: message
SELECT leg, log, seq, account, sid, content, content_type, at FROM entries
WHERE leg = :leg AND log IN (0, 1) AND sid = :sid AND account = :account ORDER BY log LIMIT 1

-- name: list_messages
SELECT row, leg, log, seq, account, sid, content, content_type, at FROM entries
WHERE leg = :leg AND log IN (0, 1) AND account = :account AND (:log IS NULL OR log = :log)

-- name: place_of_message
SELECT row FROM entries WHERE leg = :leg AND log IN (0, 1) AND sid = :sid AND account = :account ORDER BY row DESC LIMIT 1

-- name: cursor
SELECT seq FROM receipts WHERE leg = ? AND reader = ? ORDER BY seq DESC LIMIT 1

-- name: move_cursor
-- The log's end in a query of its own: only there does SQLite take it from the index instead of counting up to it.
INSERT INTO receipts (leg, seq, reader, written_at, at)
SELECT leg, seq, :reader, :written_at, :at FROM entries
WHERE leg = :leg AND log = 1 AND seq = min(:seq, (SELECT max(seq) FROM entries WHERE leg = :leg AND log = 1))
    AND seq > coalesce((SELECT seq FROM receipts WHERE leg = :leg AND reader = :reader ORDER BY seq DESC LIMIT 1), 0)

-- name: receipts
SELECT reader, seq, written_at, at FROM receipts
WHERE leg = :leg AND seq >= :first
    AND seq <= coalesce((SELECT min(seq) FROM receipts WHERE leg = :leg AND seq >= :last), :last)
ORDER BY seq, reader

-- name: bound_writes
INSERT INTO bounds (leg, reader, seq) SELECT sid, ?2, ?3 FROM calls WHERE sid = ?1
ON CONFLICT (leg, reader) DO UPDATE SET seq = excluded.seq

-- name: unbound_writes
DELETE FROM bounds WHERE leg = ? AND reader = ?

-- name: bound
SELECT seq FROM bounds WHERE leg = ? AND reader = ?

-- name: idempotent
SELECT fingerprint, resource FROM idempotency WHERE leg = ? AND account = ? AND endpoint = ? AND key = ?

-- name: remember
INSERT INTO idempotency (leg, account, endpoint, key, fingerprint, resource) VALUES (?, ?, ?, ?, ?, ?)

-- name: give_up
INSERT OR IGNORE INTO undelivered (account, leg, log, seq, reader, reason, at)
SELECT account, leg, log, seq, :reader, :reason, :at FROM entries
WHERE leg = :leg AND log = :log AND seq >= :start AND seq < :stop ORDER BY seq

-- name: resolve
UPDATE undelivered SET resolved_at = :at, resolved_by = :replay
WHERE leg = :leg AND log = 0 AND seq = :seq AND resolved_at IS NULL AND (:reader IS NULL OR reader = :reader)

-- name: undelivered
SELECT
    u.reader, u.reason, u.at, u.resolved_at, u.resolved_by,
    e.leg, e.log, e.seq, e.account, e.sid, e.content, e.content_type, e.at
FROM undelivered AS u JOIN entries AS e ON e.leg = u.leg AND e.log = u.log AND e.seq = u.seq
WHERE u.account = :account AND (:since IS NULL OR u.at >= :since) ORDER BY u.row DESC LIMIT :limit

-- name: undelivered_of_leg
SELECT
    u.reader, u.reason, u.at, u.resolved_at, u.resolved_by,
    e.leg, e.log, e.seq, e.account, e.sid, e.content, e.content_type, e.at
FROM undelivered AS u JOIN entries AS e ON e.leg = u.leg AND e.log = u.log AND e.seq = u.seq
WHERE u.account = :account AND u.leg = :leg AND (:since IS NULL OR u.at >= :since) ORDER BY u.row DESC LIMIT :limit

-- name: undelivered_among
SELECT
    u.reader, u.reason, u.at, u.resolved_at, u.resolved_by,
    e.leg, e.log, e.seq, e.account, e.sid, e.content, e.content_type, e.at
FROM undelivered AS u JOIN entries AS e ON e.leg = u.leg AND e.log = u.log AND e.seq = u.seq
WHERE u.leg = ? AND u.log = ? AND u.seq >= ? AND u.seq < ? ORDER BY u.seq, u.row

-- name: missed
SELECT leg, reader, seq FROM undelivered
WHERE account = :account AND log = 0 AND resolved_at IS NULL AND (:leg IS NULL OR leg = :leg)
    AND (:since IS NULL OR at >= :since)
ORDER BY row
