-- why: a number is given once per user. This index becomes the primary key in V17.
-- locks: share update exclusive on credit_transactions while it is built; nobody waits.
-- transaction: none
-- undo: DROP INDEX CONCURRENTLY public.credit_transactions_user_id_entry_seq_key.

CREATE UNIQUE INDEX CONCURRENTLY credit_transactions_user_id_entry_seq_key
    ON public.credit_transactions (user_id, entry_seq);
