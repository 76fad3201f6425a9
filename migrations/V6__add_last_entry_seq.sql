-- why: schema 1.1.0 numbers the entries of each user 1, 2, 3 and so on, so that a deleted entry
--   leaves a gap that anybody can see. The balance row remembers the last number given, because
--   whoever writes an entry holds the lock of that row.
-- locks: access exclusive on user_credits, for a moment: a constant default rewrites nothing.
-- transaction: one
-- undo: drop the column, after everything later in 1.1.0 is undone.

-- Zero says "none, or not known yet": the writers then ask the entries themselves. So no balance
-- row has to be back-filled before the first new entry, and a balance row that somebody deleted
-- and made again does not number its entries from 1 a second time.
ALTER TABLE public.user_credits
    ADD COLUMN last_entry_seq bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN public.user_credits.last_entry_seq IS
    'entry_seq of the user''s last entry. 0 when there is none, or when the row is younger than '
    'the entries: whoever writes the next one counts them.';
