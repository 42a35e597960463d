-- Lanes. A lane is read together with the last number of its log, and written whole.

-- name: lane
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason,
    (SELECT max(seq) FROM entries AS e WHERE e.leg = lanes.leg AND e.log = lanes.log) AS last_seq
FROM lanes WHERE sid = ? AND log = ?

-- name: lanes_of_leg
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason,
    (SELECT max(seq) FROM entries AS e WHERE e.leg = lanes.leg AND e.log = lanes.log) AS last_seq
FROM lanes WHERE leg = ? ORDER BY row

-- name: list_lanes
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason, NULL
FROM lanes WHERE account = ? ORDER BY row DESC LIMIT ?

-- name: list_lanes_of_leg
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason, NULL
FROM lanes WHERE account = ? AND leg = ? ORDER BY row DESC LIMIT ?

-- name: subscriptions
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason, NULL
FROM lanes WHERE account = ? AND leg = ? AND log = 0 AND numbers IS NULL AND NOT deleted ORDER BY row DESC

-- name: count_open_subscriptions
SELECT count(*) FROM lanes WHERE leg = ? AND log = 0 AND numbers IS NULL AND state <> 'ended'

-- name: lane_page
SELECT
    row, sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason, NULL
FROM lanes
WHERE account = :account AND log = :log AND (numbers IS NOT NULL) = :is_replay AND (:leg IS NULL OR leg = :leg)

-- name: place_of_lane
SELECT row FROM lanes WHERE account = :account AND sid = :sid AND log = :log

-- name: put_delivery
INSERT INTO deliveries (
    leg, seq, lane, is_replay, state, attempts, status, error, first_at, last_at, settled_at
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (leg, seq, lane) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, status = excluded.status, error = excluded.error,
    last_at = excluded.last_at, settled_at = excluded.settled_at

-- name: deliveries
SELECT seq, lane, is_replay, state, attempts, status, error, first_at, last_at, settled_at FROM deliveries
WHERE leg = ? AND seq >= ? AND seq < ? ORDER BY seq, lane

-- name: put_lane
INSERT INTO lanes (
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason, ready_at
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid, log) DO UPDATE SET
    created_at = excluded.created_at, url = excluded.url, method = excluded.method, encoding = excluded.encoding,
    cursor = excluded.cursor, attempts = excluded.attempts, due_at = excluded.due_at, state = excluded.state,
    closing = excluded.closing, lease = excluded.lease, leased_until = excluded.leased_until,
    deleted = excluded.deleted, start = excluded.start, reason = excluded.reason, ready_at = excluded.ready_at

-- name: due_lanes
SELECT sid, log, numbers IS NOT NULL FROM lanes WHERE ready_at <= ? ORDER BY ready_at, row LIMIT ?

-- name: lanes_due
SELECT
    sid, log, account, leg, created_at, url, method, encoding, cursor, attempts, due_at, state, closing, lease,
    leased_until, deleted, start, numbers, origin, reason,
    (SELECT max(seq) FROM entries AS e WHERE e.leg = lanes.leg AND e.log = lanes.log) AS last_seq
FROM lanes WHERE ready_at <= ? ORDER BY ready_at, row LIMIT ?

-- name: next_due
SELECT min(ready_at) FROM lanes WHERE ready_at IS NOT NULL

-- name: clear_leases
UPDATE lanes SET leased_until = NULL, ready_at = due_at WHERE ready_at IS NOT NULL AND leased_until IS NOT NULL
