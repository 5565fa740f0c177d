-- What journeys keep beside identities, and agents. Nothing here is among a user's attributes: nobody reads or writes it
-- by naming one.

-- By which attributes identities are found. Values are in lower case (ASCII); longer ones than 255 bytes are not found.
CREATE TABLE identity_index (
    realm     TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value     TEXT NOT NULL,
    username  TEXT NOT NULL,
    PRIMARY KEY (realm, attribute, value, username),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;
CREATE INDEX identity_index_user ON identity_index (realm, username);
INSERT OR IGNORE INTO identity_index (realm, attribute, value, username)
    SELECT i.realm, a.key, lower(v.value), i.username
    FROM identities AS i, json_each(i.attributes) AS a, json_each(a.value) AS v
    WHERE length(CAST(v.value AS BLOB)) <= 255;

-- Users that came from elsewhere and have not logged in since.
CREATE INDEX identities_foreign ON identities (realm) WHERE substr(password_hash, 1, 7) <> '$argon2';

-- Login counts, retries.
CREATE TABLE identity_counters (
    realm    TEXT NOT NULL,
    username TEXT NOT NULL,
    name     TEXT NOT NULL,
    value    INTEGER NOT NULL,
    PRIMARY KEY (realm, username, name),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;

-- When a password was set, and whether by someone else than its user.
CREATE TABLE identity_passwords (
    realm      TEXT NOT NULL,
    username   TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    reset      INTEGER NOT NULL CHECK (reset IN (0, 1)),
    PRIMARY KEY (realm, username),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;

-- Hashes of passwords of before, for policies that forbid to take them again.
CREATE TABLE password_history (
    realm         TEXT NOT NULL,
    username      TEXT NOT NULL,
    number        INTEGER NOT NULL, -- one higher with each
    password_hash TEXT NOT NULL,
    PRIMARY KEY (realm, username, number),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;

-- Security questions (KBA) with the hashes of their answers, in order.
CREATE TABLE identity_answers (
    realm       TEXT NOT NULL,
    username    TEXT NOT NULL,
    attribute   TEXT NOT NULL,
    number      INTEGER NOT NULL,
    custom      INTEGER NOT NULL CHECK (custom IN (0, 1)), -- the question is the user's own text, else an id
    question    TEXT NOT NULL,
    answer_hash TEXT NOT NULL,
    PRIMARY KEY (realm, username, attribute, number),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;

CREATE TABLE accepted_terms (
    realm       TEXT NOT NULL,
    username    TEXT NOT NULL,
    version     TEXT NOT NULL,
    accepted_at TEXT NOT NULL,
    PRIMARY KEY (realm, username),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;

-- Codes that work once, in place of a device. Only keyed hashes are kept.
CREATE TABLE recovery_codes (
    realm     TEXT NOT NULL,
    username  TEXT NOT NULL,
    kind      TEXT NOT NULL,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (realm, username, kind, code_hash),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;

-- Programs that log in, apart from people: no name of one means the other.
CREATE TABLE agents (
    realm         TEXT NOT NULL REFERENCES realms (name),
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    active        INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (realm, name)
) STRICT;
