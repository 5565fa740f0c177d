-- A logout pays for every index that its line is in. What only an operator's listing asked for goes: it reads backwards
-- by position, and the log ends about where sessions do that can still be alive. The length is the program's to see to,
-- which writes no other and refuses any other that it reads.
-- One table in each migration: a server that is still in service cannot wait for us while we wait for it.
DROP INDEX denylist_user;
ALTER TABLE denylist DROP CONSTRAINT denylist_chain_check;
