-- title: a refund or adjustment changes the balance
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: credit_transactions_sign_check
-- why: an amount was cut to fewer decimals than it has, or converted to whole credits. The entry
--   looks like a correction and corrects nothing.
-- remedy: find the amount that was meant by reference_id, and book it with
--   public.add_user_credits or public.debit_user_credits. The stored functions refuse zero, so
--   look for the writer that does not use them.
-- expected: 'not 0'
-- actual: '0'
-- canary: {"transaction_type": "refund", "amount": 0}

-- A zero in the other types is sign-purchase, sign-usage and sign-bonus.
(transaction_type IN ('refund', 'admin_adjustment') AND amount = 0) IS TRUE
