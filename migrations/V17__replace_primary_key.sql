-- why: the order of a user's entries is entry_seq, so that is their key. Ids come from one sequence
--   for all users, and on a database of several machines they would not even be in order.
-- locks: access exclusive on credit_transactions, for a moment: index and proof are there.
-- transaction: one
-- undo: drop the primary key, ADD CONSTRAINT credit_transactions_pkey PRIMARY KEY USING INDEX
--   credit_transactions_id_user_id_key, build V12 again.

ALTER TABLE public.credit_transactions
    ALTER COLUMN entry_seq SET NOT NULL;

-- NOT NULL says the same from here on.
ALTER TABLE public.credit_transactions
    DROP CONSTRAINT credit_transactions_entry_seq_check;

ALTER TABLE public.credit_transactions
    DROP CONSTRAINT credit_transactions_pkey;

-- Renames the index to the name of the constraint.
ALTER TABLE public.credit_transactions
    ADD CONSTRAINT credit_transactions_pkey
    PRIMARY KEY USING INDEX credit_transactions_user_id_entry_seq_key;

COMMENT ON COLUMN public.credit_transactions.id IS
    'The transaction_id that the functions return. Not an order: entry_seq is.';
