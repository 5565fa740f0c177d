-- Attempts that are under way: of the present slot of time, and of the one before it. What was never given back lapses.
ALTER TABLE attempts ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN held_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN held_slot INTEGER NOT NULL DEFAULT 0;
