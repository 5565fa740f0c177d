-- What a realm's journeys are made of, a document each: trees, nodes, scripts, mail templates, types of the node designer,
-- values of variables. Sealed under the master key: exports have passwords and signing keys in them, and so have variables.
CREATE TABLE journey_documents (
    realm      TEXT NOT NULL REFERENCES realms (name),
    kind       TEXT NOT NULL,
    journey    TEXT NOT NULL, -- with which it came; '' for what the journeys of a realm share
    id         TEXT NOT NULL,
    document   BLOB NOT NULL,
    changed_at INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    PRIMARY KEY (realm, kind, journey, id)
) STRICT;

-- By which a server that runs notices a change.
CREATE TABLE journey_generations (
    realm      TEXT PRIMARY KEY NOT NULL REFERENCES realms (name),
    generation INTEGER NOT NULL
) STRICT;
