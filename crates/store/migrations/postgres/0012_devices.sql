-- Second factors of users. A profile is sealed; what finds it by its WebAuthn credential is a keyed hash.
CREATE TABLE devices (
    realm      TEXT COLLATE "C" NOT NULL,
    username   TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    credential BYTEA CHECK (octet_length(credential) = 32),
    profile    BYTEA NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm, username, kind, id),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
);
CREATE UNIQUE INDEX devices_credential ON devices (realm, kind, credential);
