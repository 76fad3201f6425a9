-- why: a column of a primary key is NOT NULL. To set that at once would read the whole table while
--   nobody can use it; a check that is validated first makes it a matter of a moment.
-- locks: access exclusive on credit_transactions, for a moment.
-- transaction: one
-- undo: drop the constraint.

ALTER TABLE public.credit_transactions
    ADD CONSTRAINT credit_transactions_entry_seq_check CHECK (entry_seq IS NOT NULL) NOT VALID;
