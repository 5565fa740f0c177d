-- What journeys keep beside identities, and agents. Nothing here is among a user's attributes: nobody reads or writes it
-- by naming one.

-- By which attributes identities are found. Values are in lower case (ASCII); longer ones than 255 bytes are not found.
CREATE TABLE identity_index (
    realm     TEXT COLLATE "C" NOT NULL,
    attribute TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    username  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (realm, attribute, value, username),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);
CREATE INDEX identity_index_user ON identity_index (realm, username);
INSERT INTO identity_index (realm, attribute, value, username)
    SELECT i.realm, a.key, lower(v.value COLLATE "C"), i.username
    FROM identities AS i,
        -- Such a character is no text to PostgreSQL.
        jsonb_each(CASE WHEN position('\u0000' IN i.attributes) > 0 THEN '{}' ELSE i.attributes::jsonb END) AS a,
        jsonb_array_elements_text(a.value) AS v(value)
    WHERE octet_length(v.value) <= 255
    ON CONFLICT DO NOTHING;

-- Users that came from elsewhere and have not logged in since.
CREATE INDEX identities_foreign ON identities (realm) WHERE substr(password_hash, 1, 7) <> '$argon2';

-- Login counts, retries.
CREATE TABLE identity_counters (
    realm    TEXT COLLATE "C" NOT NULL,
    username TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    value    BIGINT NOT NULL,
    PRIMARY KEY (realm, username, name),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);

-- When a password was set, and whether by someone else than its user.
CREATE TABLE identity_passwords (
    realm      TEXT COLLATE "C" NOT NULL,
    username   TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL,
    reset      BOOLEAN NOT NULL,
    PRIMARY KEY (realm, username),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);

-- Hashes of passwords of before, for policies that forbid to take them again.
CREATE TABLE password_history (
    realm         TEXT COLLATE "C" NOT NULL,
    username      TEXT COLLATE "C" NOT NULL,
    number        BIGINT NOT NULL, -- one higher with each
    password_hash TEXT NOT NULL,
    PRIMARY KEY (realm, username, number),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);

-- Security questions (KBA) with the hashes of their answers, in order.
CREATE TABLE identity_answers (
    realm       TEXT COLLATE "C" NOT NULL,
    username    TEXT COLLATE "C" NOT NULL,
    attribute   TEXT COLLATE "C" NOT NULL,
    number      BIGINT NOT NULL,
    custom      BOOLEAN NOT NULL, -- the question is the user's own text, else an id
    question    TEXT NOT NULL,
    answer_hash TEXT NOT NULL,
    PRIMARY KEY (realm, username, attribute, number),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);

CREATE TABLE accepted_terms (
    realm       TEXT COLLATE "C" NOT NULL,
    username    TEXT COLLATE "C" NOT NULL,
    version     TEXT NOT NULL,
    accepted_at TEXT NOT NULL,
    PRIMARY KEY (realm, username),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);

-- Codes that work once, in place of a device. Only keyed hashes are kept.
CREATE TABLE recovery_codes (
    realm     TEXT COLLATE "C" NOT NULL,
    username  TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    code_hash BYTEA NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (realm, username, kind, code_hash),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);

-- Programs that log in, apart from people: no name of one means the other.
CREATE TABLE agents (
    realm         TEXT COLLATE "C" NOT NULL REFERENCES realms (name),
    name          TEXT COLLATE "C" NOT NULL,
    password_hash TEXT NOT NULL,
    active        BOOLEAN NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (realm, name)
);
