-- why: no entry is without a number any more, and none can be: the index of V10 is empty.
-- locks: share update exclusive on credit_transactions, while older transactions end; nobody waits.
-- transaction: none
-- undo: run V10 again.

DROP INDEX CONCURRENTLY public.idx_credit_transactions_unnumbered;
