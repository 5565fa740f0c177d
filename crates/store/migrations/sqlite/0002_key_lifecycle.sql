-- Key states with their times, who changed what, and what each key was used for.

-- SQLite cannot change a CHECK: the table is made anew, for the state 'revoked' and the columns after `secret`.
CREATE TABLE keys_new (
    kid          TEXT PRIMARY KEY NOT NULL,
    realm        TEXT REFERENCES realms (name), -- NULL: of the whole installation
    purpose      TEXT NOT NULL,
    algorithm    TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('standby', 'active', 'verify-only', 'retired', 'revoked')),
    created_at   INTEGER NOT NULL,
    secret       BLOB NOT NULL,
    activates_at INTEGER, -- of a standby key: not used before
    retires_at   INTEGER, -- of a verify-only key: needed until then
    seals        INTEGER NOT NULL DEFAULT 0 -- encryptions reserved; never fewer than were made
) STRICT;
INSERT INTO keys_new (kid, realm, purpose, algorithm, state, created_at, secret)
    SELECT kid, realm, purpose, algorithm, state, created_at, secret FROM keys;
DROP TABLE keys;
ALTER TABLE keys_new RENAME TO keys;

-- One line per change; the highest id is the generation of the key ring.
CREATE TABLE key_history (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kid      TEXT NOT NULL,
    at       INTEGER NOT NULL,
    state    TEXT NOT NULL, -- the new one
    actor    TEXT NOT NULL
) STRICT;

-- Session tokens made with a key, by the quarter of an hour (since 1970) in which they expire.
CREATE TABLE key_tokens (
    kid    TEXT NOT NULL,
    slot   INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (kid, slot)
) STRICT;
