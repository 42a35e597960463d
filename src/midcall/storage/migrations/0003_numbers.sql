-- Numbers that accounts own; the same digits may belong to several of them.
CREATE TABLE phone_numbers (
    row INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    account BLOB NOT NULL,
    number TEXT NOT NULL,
    friendly_name TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    voice_url TEXT NOT NULL,
    voice_method TEXT NOT NULL,
    voice_fallback_url TEXT NOT NULL,
    voice_fallback_method TEXT NOT NULL,
    voice_application BLOB,
    voice_caller_id_lookup INTEGER NOT NULL,
    status_callback TEXT NOT NULL,
    status_callback_method TEXT NOT NULL,
    sms_url TEXT NOT NULL,
    sms_method TEXT NOT NULL,
    sms_fallback_url TEXT NOT NULL,
    sms_fallback_method TEXT NOT NULL,
    sms_application BLOB,
    stir_status TEXT NOT NULL,
    UNIQUE (account, number)
) STRICT;
CREATE INDEX phone_numbers_by_account ON phone_numbers (account, row);

-- Calls by phone: the number that was called, the number that passed the call on, and what is said of the caller.
ALTER TABLE calls ADD COLUMN phone_number BLOB;
ALTER TABLE calls ADD COLUMN forwarded_from TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN stir_status TEXT NOT NULL DEFAULT '';
