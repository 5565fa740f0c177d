-- Who may administer. A table of its own: nothing that writes a user's attributes comes near it.
CREATE TABLE administrators (
    realm      TEXT NOT NULL,
    username   TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (realm, username),
    -- Whoever is made anew under the name of a deleted administrator is none.
    FOREIGN KEY (realm, username) REFERENCES identities (realm, username) ON DELETE CASCADE
) STRICT;
