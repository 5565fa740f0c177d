-- SQLite. Portable in meaning, not in type names: BLOB is BYTEA elsewhere. Times are Unix seconds.
-- A released migration is never edited: its checksum is compared at every start.

-- A known value sealed under the master key: a wrong key is noticed at open, not when the first key is needed.
CREATE TABLE master_key_check (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE installation (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      BLOB NOT NULL CHECK (length(epoch) = 16),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE realms (
    name       TEXT PRIMARY KEY NOT NULL,
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE identities (
    realm         TEXT NOT NULL REFERENCES realms (name),
    username      TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('Active', 'Inactive')),
    attributes    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (realm, username)
) STRICT;

CREATE TABLE keys (
    kid        TEXT PRIMARY KEY NOT NULL,
    realm      TEXT REFERENCES realms (name), -- NULL: of the whole installation
    purpose    TEXT NOT NULL,
    algorithm  TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('standby', 'active', 'verify-only', 'retired')),
    created_at INTEGER NOT NULL,
    secret     BLOB NOT NULL
) STRICT;

-- The position up to which the log was pruned, and the chain value there; 0 and the genesis value at first.
CREATE TABLE denylist_floor (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    seq   INTEGER NOT NULL,
    chain BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;

-- The numbers are assigned by the writer, without gaps; the database must never choose one.
CREATE TABLE denylist (
    seq         INTEGER PRIMARY KEY NOT NULL,
    kind        INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL, -- the bits of a u64
    chain       BLOB NOT NULL CHECK (length(chain) = 32),
    realm       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX denylist_fingerprint ON denylist (kind, fingerprint);
