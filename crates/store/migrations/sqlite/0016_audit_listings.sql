-- Likewise: a listing of one realm reads backwards by position, as that of one user always did. The end of what is kept
-- for so long goes by the age, whose index stays.
DROP INDEX audit_realm;
