-- Logs, cursors, idempotency, undelivered entries.

-- name: leg_view
-- What `admit` has to know, and whether the entry is there already, in one go.
SELECT
    account, status, sdk_leg,
    (SELECT max(seq) FROM entries WHERE leg = ?1 AND log = ?2) AS last_seq,
    CASE WHEN ?2 = 1 THEN (SELECT max(seq) FROM cursors WHERE leg = ?1) END AS cursor,
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

-- name: cursor
SELECT seq FROM cursors WHERE leg = ? AND reader = ?

-- name: move_cursor
INSERT INTO cursors (leg, reader, seq)
SELECT :leg, :reader, min(:seq, max(seq)) FROM entries WHERE leg = :leg AND log = 1 HAVING min(:seq, max(seq)) > 0
ON CONFLICT (leg, reader) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > cursors.seq

-- name: idempotent
SELECT fingerprint, resource FROM idempotency WHERE leg = ? AND account = ? AND endpoint = ? AND key = ?

-- name: remember
INSERT INTO idempotency (leg, account, endpoint, key, fingerprint, resource) VALUES (?, ?, ?, ?, ?, ?)

-- name: give_up
INSERT OR IGNORE INTO undelivered (account, leg, log, seq, reader, reason, at)
SELECT account, leg, log, seq, :reader, :reason, :at FROM entries
WHERE leg = :leg AND log = :log AND seq >= :start AND seq < :stop ORDER BY seq

-- name: undelivered
SELECT u.reader, u.reason, u.at, e.leg, e.log, e.seq, e.account, e.sid, e.content, e.content_type, e.at
FROM undelivered AS u JOIN entries AS e ON e.leg = u.leg AND e.log = u.log AND e.seq = u.seq
WHERE u.account = ? ORDER BY u.row DESC LIMIT ?

-- name: undelivered_of_leg
SELECT u.reader, u.reason, u.at, e.leg, e.log, e.seq, e.account, e.sid, e.content, e.content_type, e.at
FROM undelivered AS u JOIN entries AS e ON e.leg = u.leg AND e.log = u.log AND e.seq = u.seq
WHERE u.account = ? AND u.leg = ? ORDER BY u.row DESC LIMIT ?
