-- Names of users are the same whatever their case and form. The key that says so is the program's to make, except of plain
-- ASCII; it is not unique, because users of before may differ by no more than case, and none of them is lost.
ALTER TABLE identities ADD COLUMN name_key TEXT;
UPDATE identities SET name_key = lower(username) WHERE username NOT GLOB '*[^ -~]*';
CREATE INDEX identities_name ON identities (realm, name_key);
-- Empty, but for users whom an origin of before has made since.
CREATE INDEX identities_unnamed ON identities (realm) WHERE name_key IS NULL;

-- Since when its user has had the value; 0 for those of before.
ALTER TABLE identity_index ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
