-- Lanes. A lane is read together with the last number of its log, and written whole.

-- name: lane
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted,
    (SELECT max(seq) FROM entries AS e WHERE e.leg = lanes.leg AND e.log = lanes.log) AS last_seq
FROM lanes WHERE sid = ? AND log = ?

-- name: lanes_of_leg
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted,
    (SELECT max(seq) FROM entries AS e WHERE e.leg = lanes.leg AND e.log = lanes.log) AS last_seq
FROM lanes WHERE leg = ? ORDER BY row

-- name: list_lanes
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, NULL
FROM lanes WHERE account = ? ORDER BY row DESC LIMIT ?

-- name: list_lanes_of_leg
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, NULL
FROM lanes WHERE account = ? AND leg = ? ORDER BY row DESC LIMIT ?

-- name: subscriptions
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, NULL
FROM lanes WHERE account = ? AND leg = ? AND log = 0 AND NOT deleted ORDER BY row DESC

-- name: count_open_subscriptions
SELECT count(*) FROM lanes WHERE leg = ? AND log = 0 AND state <> 'ended'

-- name: put_lane
INSERT INTO lanes (
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, ready_at
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid, log) DO UPDATE SET
    created_at = excluded.created_at, url = excluded.url, method = excluded.method, encoding = excluded.encoding,
    cursor = excluded.cursor, attempts = excluded.attempts, due_at = excluded.due_at, state = excluded.state,
    closing = excluded.closing, lease = excluded.lease, leased_until = excluded.leased_until,
    deleted = excluded.deleted, ready_at = excluded.ready_at

-- name: due_lanes
SELECT sid, log FROM lanes WHERE ready_at <= ? ORDER BY ready_at, row LIMIT ?

-- name: next_due
SELECT min(ready_at) FROM lanes WHERE ready_at IS NOT NULL

-- name: clear_leases
UPDATE lanes SET leased_until = NULL, ready_at = due_at WHERE ready_at IS NOT NULL AND leased_until IS NOT NULL
