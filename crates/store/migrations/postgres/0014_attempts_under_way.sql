-- Attempts that are under way: of the present slot of time, and of the one before it. What was never given back lapses.
ALTER TABLE attempts ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN held_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN held_slot BIGINT NOT NULL DEFAULT 0;
