CREATE TABLE journey_documents (
    realm      TEXT COLLATE "C" NOT NULL REFERENCES realms (name),
    kind       TEXT COLLATE "C" NOT NULL,
    journey    TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    document   BYTEA NOT NULL,
    changed_at BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    PRIMARY KEY (realm, kind, journey, id)
);

CREATE TABLE journey_generations (
    realm      TEXT COLLATE "C" PRIMARY KEY REFERENCES realms (name),
    generation BIGINT NOT NULL
);
