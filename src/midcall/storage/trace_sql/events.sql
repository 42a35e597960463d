-- name: record
INSERT INTO events (at, account, leg, kind, detail) VALUES (?, ?, ?, ?, ?)

-- name: timeline
SELECT at, kind, detail FROM events WHERE leg = ? AND account = ? ORDER BY row DESC LIMIT ?

-- name: forget
DELETE FROM events WHERE leg = ? AND account = ?

-- name: prune
-- The oldest tenth.
DELETE FROM events
WHERE row <= (SELECT min(row) FROM events) + ((SELECT max(row) FROM events) - (SELECT min(row) FROM events)) / 10
