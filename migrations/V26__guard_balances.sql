-- why: what the audit finds in balances today, the table refuses from here on.
-- locks: access exclusive on user_credits, for a moment: old rows are read by V30.
-- transaction: one
-- undo: drop the three constraints.
-- precheck: balance-not-finite, quota-negative, user-id-nil

-- NaN is greater than every number and even than Infinity: "below Infinity" keeps both out.
ALTER TABLE public.user_credits
    ADD CONSTRAINT user_credits_balance_check
    CHECK (balance > '-Infinity' AND balance < 'Infinity') NOT VALID;

-- A monthly_allowance of NULL is unlimited.
ALTER TABLE public.user_credits
    ADD CONSTRAINT user_credits_quota_check
    CHECK (credits_used_this_month >= 0 AND credits_used_this_month < 'Infinity'
       AND (monthly_allowance IS NULL
            OR (monthly_allowance >= 0 AND monthly_allowance < 'Infinity'))) NOT VALID;

ALTER TABLE public.user_credits
    ADD CONSTRAINT user_credits_user_id_check
    CHECK (user_id <> '00000000-0000-0000-0000-000000000000') NOT VALID;
