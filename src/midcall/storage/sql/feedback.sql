-- What people thought of calls.

-- name: put_feedback
INSERT INTO feedback (call, account, score, issues, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (call) DO UPDATE SET
    score = excluded.score, issues = excluded.issues, updated_at = excluded.updated_at

-- name: feedback
SELECT score, issues, created_at, updated_at FROM feedback WHERE account = ? AND call = ?

-- name: delete_feedback
DELETE FROM feedback WHERE call = ?

-- name: tally_feedback
SELECT feedback.score, feedback.issues, count(*)
FROM calls JOIN feedback ON feedback.call = calls.sid
WHERE calls.account = ? AND calls.created_at >= ? AND calls.created_at < ?
GROUP BY feedback.score, feedback.issues

-- name: count_calls
SELECT count(*) FROM calls WHERE account = ? AND created_at >= ? AND created_at < ?

-- name: put_feedback_summary
INSERT INTO feedback_summaries (sid, account, start_date, end_date, include_subaccounts, figures, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: feedback_summary
SELECT start_date, end_date, include_subaccounts, figures, created_at
FROM feedback_summaries WHERE account = ? AND sid = ?

-- name: delete_feedback_summary
DELETE FROM feedback_summaries WHERE account = ? AND sid = ?
