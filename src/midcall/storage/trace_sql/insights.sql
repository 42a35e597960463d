-- name: put_insight
INSERT INTO insights (sid, account, leg, temporary, kind, group_, name, level, at, received_at, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: name_call
UPDATE insights SET leg = (
    SELECT named.leg FROM insights AS named
    WHERE named.account = :account AND named.temporary = :temporary AND named.leg IS NOT NULL
    LIMIT 1
)
WHERE leg IS NULL AND account = :account AND temporary = :temporary

-- name: list_insights
SELECT row, sid, account, leg, temporary, kind, group_, name, level, at, received_at, payload FROM insights
WHERE leg = :leg AND account = :account
    AND (:kind IS NULL OR kind = :kind)
    AND (:group IS NULL OR group_ = :group)
    AND (:level IS NULL OR level = :level)

-- name: place_of_insight
SELECT row FROM insights WHERE leg = :leg AND account = :account AND sid = :sid

-- name: forget_insights
DELETE FROM insights WHERE leg = ? AND account = ?

-- name: forget_strays
DELETE FROM insights WHERE leg IS NULL AND received_at < ?

-- name: prune_insights
-- The oldest tenth.
DELETE FROM insights
WHERE row <= (SELECT min(row) FROM insights) + ((SELECT max(row) FROM insights) - (SELECT min(row) FROM insights)) / 10
