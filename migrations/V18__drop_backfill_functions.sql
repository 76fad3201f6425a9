-- why: they have done their work, and a function that changes entries should not lie around.
-- locks: none on tables.
-- transaction: one
-- undo: create them again from V9.

DROP FUNCTION public.number_old_entries(uuid, integer);

DROP FUNCTION public.order_old_entries(uuid);
