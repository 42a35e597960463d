-- name: record
INSERT INTO events (at, account, leg, kind, detail) VALUES (?, ?, ?, ?, ?)

-- name: timeline
SELECT at, kind, detail FROM events
WHERE leg = :leg AND account = :account AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
ORDER BY row DESC LIMIT :limit

-- name: forget
DELETE FROM events WHERE leg = ? AND account = ?

-- name: prune
-- The oldest tenth.
DELETE FROM events
WHERE row <= (SELECT min(row) FROM events) + ((SELECT max(row) FROM events) - (SELECT min(row) FROM events)) / 10
