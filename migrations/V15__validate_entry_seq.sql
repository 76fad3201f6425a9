-- why: proves that the back-fill left no entry out.
-- locks: share update exclusive on credit_transactions while it is read; nobody waits.
-- transaction: one
-- undo: nothing to undo.

ALTER TABLE public.credit_transactions
    VALIDATE CONSTRAINT credit_transactions_entry_seq_check;
