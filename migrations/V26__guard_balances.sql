-- why: what the audit finds in balances today, the table refuses from here on.
-- locks: access exclusive on user_credits, for a moment: old rows are read by V30.
-- transaction: one
-- undo: drop the three constraints.
-- precheck: balance-not-finite, quota-negative, user-id-nil

-- The server reads the stored text of each CHECK, and plans it, for every statement that writes to
-- the table: written out with four comparisons and casts, the CHECKs of 1.3.0 took a fifth of a
-- debit's time. So each bound is one range here, zeros are quoted (a bare 0 is an integer, cast
-- each time), and what would be true without being said is not said.
--
-- NaN is greater than every number and even than Infinity: a range that ends below Infinity keeps
-- both out.
ALTER TABLE public.user_credits
    ADD CONSTRAINT user_credits_balance_check
    CHECK (balance <@ numrange '(-Infinity,Infinity)') NOT VALID;

-- A monthly_allowance of NULL is unlimited, and a CHECK passes for NULL.
ALTER TABLE public.user_credits
    ADD CONSTRAINT user_credits_quota_check
    CHECK (credits_used_this_month <@ numrange '[0,Infinity)'
       AND monthly_allowance <@ numrange '[0,Infinity)') NOT VALID;

ALTER TABLE public.user_credits
    ADD CONSTRAINT user_credits_user_id_check
    CHECK (user_id <> '00000000-0000-0000-0000-000000000000') NOT VALID;
