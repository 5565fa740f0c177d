-- Likewise: a listing of one realm reads backwards by position, as that of one user always did; one of some days, and
-- the end of what is kept for so long, go by the age, whose index stays.
DROP INDEX audit_realm;
