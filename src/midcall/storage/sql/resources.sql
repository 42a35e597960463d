-- Accounts, keys, applications, phone numbers, alerts. A list query ends in its conditions; `verbs.pages` adds the page.

-- name: put_account
INSERT INTO accounts (sid, owner, friendly_name, status, auth_token, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET
    owner = excluded.owner, friendly_name = excluded.friendly_name, status = excluded.status,
    auth_token = excluded.auth_token, created_at = excluded.created_at, updated_at = excluded.updated_at

-- name: account
SELECT sid, owner, friendly_name, status, auth_token, created_at, updated_at FROM accounts WHERE sid = ?

-- name: list_accounts
SELECT row, sid, owner, friendly_name, status, auth_token, created_at, updated_at FROM accounts
WHERE owner = :owner
    AND (:friendly_name IS NULL OR friendly_name = :friendly_name)
    AND (:status IS NULL OR status = :status)

-- name: place_of_account
SELECT row FROM accounts WHERE owner = :owner AND sid = :sid

-- name: put_key
INSERT INTO keys (sid, account, friendly_name, secret, is_main, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET
    account = excluded.account, friendly_name = excluded.friendly_name, secret = excluded.secret,
    is_main = excluded.is_main, created_at = excluded.created_at, updated_at = excluded.updated_at

-- name: key
SELECT sid, account, friendly_name, secret, is_main, created_at, updated_at FROM keys WHERE sid = ?

-- name: list_keys
SELECT row, sid, account, friendly_name, secret, is_main, created_at, updated_at FROM keys WHERE account = :account

-- name: place_of_key
SELECT row FROM keys WHERE account = :account AND sid = :sid

-- name: delete_key
DELETE FROM keys WHERE account = ? AND sid = ?

-- name: put_application
INSERT INTO applications (
    sid, account, friendly_name, created_at, updated_at, voice_url, voice_method, voice_fallback_url,
    voice_fallback_method, status_callback, status_callback_method, voice_caller_id_lookup,
    public_application_connect_enabled, sms_url, sms_method, sms_fallback_url, sms_fallback_method,
    sms_status_callback, message_status_callback, message_callback, message_callback_method
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET
    account = excluded.account, friendly_name = excluded.friendly_name, created_at = excluded.created_at,
    updated_at = excluded.updated_at, voice_url = excluded.voice_url, voice_method = excluded.voice_method,
    voice_fallback_url = excluded.voice_fallback_url, voice_fallback_method = excluded.voice_fallback_method,
    status_callback = excluded.status_callback, status_callback_method = excluded.status_callback_method,
    voice_caller_id_lookup = excluded.voice_caller_id_lookup,
    public_application_connect_enabled = excluded.public_application_connect_enabled,
    sms_url = excluded.sms_url, sms_method = excluded.sms_method, sms_fallback_url = excluded.sms_fallback_url,
    sms_fallback_method = excluded.sms_fallback_method, sms_status_callback = excluded.sms_status_callback,
    message_status_callback = excluded.message_status_callback, message_callback = excluded.message_callback,
    message_callback_method = excluded.message_callback_method

-- name: application
SELECT
    sid, account, friendly_name, created_at, updated_at, voice_url, voice_method, voice_fallback_url,
    voice_fallback_method, status_callback, status_callback_method, voice_caller_id_lookup,
    public_application_connect_enabled, sms_url, sms_method, sms_fallback_url, sms_fallback_method,
    sms_status_callback, message_status_callback, message_callback, message_callback_method
FROM applications WHERE account = ? AND sid = ?

-- name: list_applications
SELECT
    row, sid, account, friendly_name, created_at, updated_at, voice_url, voice_method, voice_fallback_url,
    voice_fallback_method, status_callback, status_callback_method, voice_caller_id_lookup,
    public_application_connect_enabled, sms_url, sms_method, sms_fallback_url, sms_fallback_method,
    sms_status_callback, message_status_callback, message_callback, message_callback_method
FROM applications
WHERE account = :account AND (:friendly_name IS NULL OR friendly_name = :friendly_name)

-- name: place_of_application
SELECT row FROM applications WHERE account = :account AND sid = :sid

-- name: delete_application
DELETE FROM applications WHERE account = ? AND sid = ?

-- name: put_phone_number
INSERT INTO phone_numbers (
    sid, account, number, friendly_name, created_at, updated_at, voice_url, voice_method, voice_fallback_url,
    voice_fallback_method, voice_application, voice_caller_id_lookup, status_callback, status_callback_method,
    sms_url, sms_method, sms_fallback_url, sms_fallback_method, sms_application, stir_status
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET
    account = excluded.account, number = excluded.number, friendly_name = excluded.friendly_name,
    created_at = excluded.created_at, updated_at = excluded.updated_at, voice_url = excluded.voice_url,
    voice_method = excluded.voice_method, voice_fallback_url = excluded.voice_fallback_url,
    voice_fallback_method = excluded.voice_fallback_method, voice_application = excluded.voice_application,
    voice_caller_id_lookup = excluded.voice_caller_id_lookup, status_callback = excluded.status_callback,
    status_callback_method = excluded.status_callback_method, sms_url = excluded.sms_url,
    sms_method = excluded.sms_method, sms_fallback_url = excluded.sms_fallback_url,
    sms_fallback_method = excluded.sms_fallback_method, sms_application = excluded.sms_application,
    stir_status = excluded.stir_status

-- name: phone_number
SELECT
    sid, account, number, friendly_name, created_at, updated_at, voice_url, voice_method, voice_fallback_url,
    voice_fallback_method, voice_application, voice_caller_id_lookup, status_callback, status_callback_method,
    sms_url, sms_method, sms_fallback_url, sms_fallback_method, sms_application, stir_status
FROM phone_numbers WHERE account = ? AND sid = ?

-- name: phone_number_of
SELECT
    sid, account, number, friendly_name, created_at, updated_at, voice_url, voice_method, voice_fallback_url,
    voice_fallback_method, voice_application, voice_caller_id_lookup, status_callback, status_callback_method,
    sms_url, sms_method, sms_fallback_url, sms_fallback_method, sms_application, stir_status
FROM phone_numbers WHERE account = ? AND number = ?

-- name: list_phone_numbers
SELECT
    row, sid, account, number, friendly_name, created_at, updated_at, voice_url, voice_method,
    voice_fallback_url, voice_fallback_method, voice_application, voice_caller_id_lookup, status_callback,
    status_callback_method, sms_url, sms_method, sms_fallback_url, sms_fallback_method, sms_application,
    stir_status
FROM phone_numbers
WHERE account = :account AND (:friendly_name IS NULL OR friendly_name = :friendly_name)
    AND (:pattern IS NULL OR number GLOB :pattern)

-- name: place_of_phone_number
SELECT row FROM phone_numbers WHERE account = :account AND sid = :sid

-- name: delete_phone_number
DELETE FROM phone_numbers WHERE account = ? AND sid = ?

-- name: put_alert
INSERT INTO alerts (sid, account, call, code, level, reason, at, line, request_url, request_method, webhook)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET
    account = excluded.account, call = excluded.call, code = excluded.code, level = excluded.level,
    reason = excluded.reason, at = excluded.at, line = excluded.line, request_url = excluded.request_url,
    request_method = excluded.request_method, webhook = excluded.webhook

-- name: alert
SELECT sid, account, call, code, level, reason, at, line, request_url, request_method, webhook
FROM alerts WHERE account = ? AND sid = ?

-- name: list_alerts
SELECT row, sid, account, call, code, level, reason, at, line, request_url, request_method, webhook
FROM alerts
WHERE account = :account
    AND (:level IS NULL OR level = :level)
    AND (:since IS NULL OR at >= :since)
    AND (:before IS NULL OR at < :before)

-- name: list_alerts_of_call
SELECT row, sid, account, call, code, level, reason, at, line, request_url, request_method, webhook
FROM alerts
WHERE call = :call AND account = :account
    AND (:level IS NULL OR level = :level)
    AND (:since IS NULL OR at >= :since)
    AND (:before IS NULL OR at < :before)

-- name: place_of_alert
SELECT row FROM alerts WHERE account = :account AND sid = :sid

-- name: purge_alerts
DELETE FROM alerts WHERE row IN (SELECT row FROM alerts WHERE call IS NULL AND at < ? LIMIT ?)
