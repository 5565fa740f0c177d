-- The log: what a line concerned in clear, requests that can be repeated, undone lines. Beside it the token store (CTS),
-- counters of failed logins, settings and the audit.

ALTER TABLE denylist ADD COLUMN username TEXT NOT NULL DEFAULT '';
ALTER TABLE denylist ADD COLUMN object TEXT NOT NULL DEFAULT ''; -- a session's handle, a key's kid, an undone position
ALTER TABLE denylist ADD COLUMN request BLOB; -- who repeats a request finds its line by this
ALTER TABLE denylist ADD COLUMN undone_by INTEGER; -- position of the line that took this one back
CREATE UNIQUE INDEX denylist_request ON denylist (request);
CREATE INDEX denylist_user ON denylist (realm, username, seq);

-- Server-side sessions. The token itself is nowhere: its hash finds the row.
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY NOT NULL CHECK (length(token_hash) = 32),
    sid        BLOB NOT NULL UNIQUE CHECK (length(sid) = 16), -- the family, and the handle
    realm      TEXT NOT NULL,
    username   TEXT NOT NULL,
    auth_level INTEGER NOT NULL,
    amr        TEXT NOT NULL,
    properties TEXT NOT NULL,
    rvs        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used  INTEGER NOT NULL,
    max_idle   INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL -- the sooner of ends_at and last_used + max_idle
) STRICT;
CREATE INDEX sessions_user ON sessions (realm, username, created_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Journeys in progress, for the scheme CTS. The state is sealed by the origin.
CREATE TABLE journeys (
    id_hash    BLOB PRIMARY KEY NOT NULL CHECK (length(id_hash) = 32),
    realm      TEXT NOT NULL,
    state      BLOB NOT NULL,
    version    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX journeys_expiry ON journeys (expires_at);

-- What may happen once: completed journeys, consumed steps, used links.
CREATE TABLE once (
    use_hash   BLOB PRIMARY KEY NOT NULL CHECK (length(use_hash) = 32),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX once_expiry ON once (expires_at);

-- Failures by user and counter: lockout, and retry limits of journeys.
CREATE TABLE attempts (
    realm        TEXT NOT NULL,
    username     TEXT NOT NULL,
    counter      TEXT NOT NULL,
    failures     INTEGER NOT NULL,
    lockouts     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    PRIMARY KEY (realm, username, counter)
) STRICT;
CREATE INDEX attempts_age ON attempts (last_at);

-- One JSON document for each realm; the realm '' is the installation.
CREATE TABLE settings (
    realm      TEXT PRIMARY KEY NOT NULL,
    document   TEXT NOT NULL,
    version    INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    actor      TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    at             INTEGER NOT NULL,
    topic          TEXT NOT NULL,
    event          TEXT NOT NULL,
    realm          TEXT NOT NULL,
    username       TEXT NOT NULL,
    actor          TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    detail         TEXT NOT NULL
) STRICT;
CREATE INDEX audit_age ON audit (at);
CREATE INDEX audit_realm ON audit (realm, id);
