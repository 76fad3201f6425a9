-- why: it has done its work: no entry is without a number any more.
-- locks: none on tables.
-- transaction: one
-- undo: create it again from V9.

DROP FUNCTION public.order_old_entries(uuid);
