-- why: id is the transaction_id that callers know. Its index was the one of the primary key, which
--   V17 replaces.
-- locks: share update exclusive on credit_transactions while it is built; nobody waits.
-- transaction: none
-- undo: DROP INDEX CONCURRENTLY public.credit_transactions_id_user_id_key.

-- As unique as the primary key was, and with id first: the same index finds the entry whose id a
-- function returned, and the highest id.
CREATE UNIQUE INDEX CONCURRENTLY credit_transactions_id_user_id_key
    ON public.credit_transactions (id, user_id);
