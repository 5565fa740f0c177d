-- Second factors of users. A profile is sealed; what finds it by its WebAuthn credential is a keyed hash.
CREATE TABLE devices (
    realm      TEXT NOT NULL,
    username   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    credential BLOB CHECK (length(credential) = 32),
    profile    BLOB NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (realm, username, kind, id),
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX devices_credential ON devices (realm, kind, credential);
