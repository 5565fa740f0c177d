-- A logout pays for every index that its line is in. What only an operator's listing asked for goes: it reads backwards
-- by position, and the log ends about where sessions do that can still be alive.
DROP INDEX denylist_user;
