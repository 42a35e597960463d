-- Calls and the actors behind them.

-- name: put_actor
INSERT INTO actors (owner, account, state, timers) VALUES (?, ?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET account = excluded.account, state = excluded.state, timers = excluded.timers

-- name: delete_actor
DELETE FROM actors WHERE owner = ?

-- name: actor
SELECT state, timers FROM actors WHERE owner = ?

-- name: live_owners
SELECT owner FROM actors ORDER BY row

-- name: put_call
INSERT INTO calls (
    sid, account, parent, direction, from_, to_, status, is_final, sdk_leg, created_at, updated_at, application,
    started_at, answered_at, ended_at, phone_number, forwarded_from, stir_status
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET
    account = excluded.account, parent = excluded.parent, direction = excluded.direction, from_ = excluded.from_,
    to_ = excluded.to_, status = excluded.status, is_final = excluded.is_final, sdk_leg = excluded.sdk_leg,
    created_at = excluded.created_at, updated_at = excluded.updated_at, application = excluded.application,
    started_at = excluded.started_at, answered_at = excluded.answered_at, ended_at = excluded.ended_at,
    phone_number = excluded.phone_number, forwarded_from = excluded.forwarded_from, stir_status = excluded.stir_status

-- name: call
SELECT
    sid, account, parent, direction, from_, to_, status, sdk_leg, created_at, updated_at, application, started_at,
    answered_at, ended_at, phone_number, forwarded_from, stir_status
FROM calls WHERE account = ? AND sid = ?

-- name: call_is_final
SELECT is_final FROM calls WHERE sid = ?

-- name: list_calls
SELECT
    row, sid, account, parent, direction, from_, to_, status, sdk_leg, created_at, updated_at, application, started_at,
    answered_at, ended_at, phone_number, forwarded_from, stir_status
FROM calls
WHERE account = :account
    AND (:to IS NULL OR to_ = :to)
    AND (:from IS NULL OR from_ = :from)
    AND (:status IS NULL OR status = :status)
    AND (:started_from IS NULL OR started_at >= :started_from)
    AND (:started_to IS NULL OR started_at < :started_to)
    AND (:ended_from IS NULL OR ended_at >= :ended_from)
    AND (:ended_to IS NULL OR ended_at < :ended_to)

-- name: list_calls_of_parent
SELECT
    row, sid, account, parent, direction, from_, to_, status, sdk_leg, created_at, updated_at, application, started_at,
    answered_at, ended_at, phone_number, forwarded_from, stir_status
FROM calls
WHERE parent = :parent AND account = :account
    AND (:to IS NULL OR to_ = :to)
    AND (:from IS NULL OR from_ = :from)
    AND (:status IS NULL OR status = :status)
    AND (:started_from IS NULL OR started_at >= :started_from)
    AND (:started_to IS NULL OR started_at < :started_to)
    AND (:ended_from IS NULL OR ended_at >= :ended_from)
    AND (:ended_to IS NULL OR ended_at < :ended_to)

-- name: place_of_call
SELECT row FROM calls WHERE account = :account AND sid = :sid

-- name: delete_call
DELETE FROM calls WHERE account = ? AND sid = ?

-- name: delete_entries
DELETE FROM entries WHERE leg = ?

-- name: delete_receipts
DELETE FROM receipts WHERE leg = ?

-- name: delete_bounds
DELETE FROM bounds WHERE leg = ?

-- name: delete_deliveries
DELETE FROM deliveries WHERE leg = ?

-- name: delete_lanes
DELETE FROM lanes WHERE leg = ?

-- name: delete_undelivered
DELETE FROM undelivered WHERE leg = ?

-- name: delete_idempotency
DELETE FROM idempotency WHERE leg = ?

-- name: delete_alerts
DELETE FROM alerts WHERE call = ?

-- name: purge_idempotency
DELETE FROM idempotency
WHERE EXISTS (
    SELECT 1 FROM calls WHERE sid = idempotency.leg AND is_final AND coalesce(ended_at, updated_at) <= ?
)

-- name: surplus
-- Logs have no gaps, so their first and last numbers count them.
WITH counted AS (
    SELECT row, sid, is_final,
        coalesce((SELECT max(seq) FROM entries WHERE leg = calls.sid AND log = 0)
            - (SELECT min(seq) FROM entries WHERE leg = calls.sid AND log = 0) + 1, 0)
        + coalesce((SELECT max(seq) FROM entries WHERE leg = calls.sid AND log = 1)
            - (SELECT min(seq) FROM entries WHERE leg = calls.sid AND log = 1) + 1, 0) AS messages
    FROM calls WHERE account = :account
),
summed AS (SELECT row, sid, is_final, messages, sum(messages) OVER (ORDER BY row DESC) - messages AS newer FROM counted)
SELECT sid FROM summed
WHERE newer >= :keep AND messages > 0 AND is_final
    AND NOT EXISTS (SELECT 1 FROM lanes WHERE leg = summed.sid AND state <> 'ended')
ORDER BY row LIMIT :limit
