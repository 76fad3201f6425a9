-- why: the back-fill asks again and again which users still have entries without a number. This
--   index answers from its first page, and holds nothing more when the back-fill is done.
-- locks: share update exclusive on credit_transactions while it is built; nobody waits.
-- transaction: none
-- undo: DROP INDEX CONCURRENTLY public.idx_credit_transactions_unnumbered.

CREATE INDEX CONCURRENTLY idx_credit_transactions_unnumbered
    ON public.credit_transactions (user_id)
    WHERE entry_seq IS NULL;
