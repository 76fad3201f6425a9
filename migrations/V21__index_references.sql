-- why: the functions book a reference once; this index makes sure that nobody else does it twice.
-- locks: share update exclusive on credit_transactions while it is built; nobody waits.
-- transaction: none
-- undo: DROP INDEX CONCURRENTLY public.credit_transactions_reference_key.
-- precheck: reference-reused

-- Without references that say nothing: two entries may have them.
CREATE UNIQUE INDEX CONCURRENTLY credit_transactions_reference_key
    ON public.credit_transactions (user_id, transaction_type, reference_id)
    WHERE btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined');
