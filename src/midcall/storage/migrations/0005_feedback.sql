-- What people thought of calls, and summaries of it. `issues` and `figures` are JSON.

CREATE TABLE feedback (
    call BLOB NOT NULL PRIMARY KEY,
    account BLOB NOT NULL,
    score INTEGER NOT NULL,
    issues BLOB NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE feedback_summaries (
    sid BLOB NOT NULL PRIMARY KEY,
    account BLOB NOT NULL,
    start_date TEXT NOT NULL,
    end_date TEXT NOT NULL,
    include_subaccounts INTEGER NOT NULL,
    figures BLOB NOT NULL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
