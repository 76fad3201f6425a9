-- why: what the audit finds in entries today, the table refuses from here on: amounts that are no
--   numbers, signs that do not fit the type, entries of users who have no balance row.
-- locks: exclusive on user_credits and access exclusive on credit_transactions, for a
--   moment: old rows are read by V30.
-- transaction: one
-- undo: drop the four constraints.
-- precheck: amount-not-finite, sign-purchase, sign-bonus, sign-usage, entry-amount-zero,
--   balance-row-missing, user-id-nil

-- A foreign key locks both tables, the one that it belongs to first. Every call takes them in the
-- other order, and would be stopped as a deadlock. Exclusive, because a call first locks its
-- balance row, then writes the entry, then the balance: a weaker lock would let it begin and stop
-- it in the middle.
LOCK TABLE public.user_credits IN EXCLUSIVE MODE;

-- A session that has read entries in its transaction, and then calls, waits for us and we for it.
-- We give up, and are tried again, before the server looks for a deadlock (deadlock_timeout, 1 s):
-- it might stop the call.
SET LOCAL lock_timeout = '500ms';

ALTER TABLE public.credit_transactions
    ADD CONSTRAINT credit_transactions_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES public.user_credits (user_id) NOT VALID;

-- Short, as in V26.
ALTER TABLE public.credit_transactions
    ADD CONSTRAINT credit_transactions_finite_check
    CHECK (amount <@ numrange '(-Infinity,Infinity)'
       AND balance_after <@ numrange '(-Infinity,Infinity)') NOT VALID;

-- refund and admin_adjustment go either way, but somewhere.
ALTER TABLE public.credit_transactions
    ADD CONSTRAINT credit_transactions_sign_check
    CHECK ((amount > '0' AND transaction_type <> 'usage')
        OR (amount < '0' AND transaction_type <> ALL ('{purchase,bonus}'))) NOT VALID;

ALTER TABLE public.credit_transactions
    ADD CONSTRAINT credit_transactions_user_id_check
    CHECK (user_id <> '00000000-0000-0000-0000-000000000000') NOT VALID;
