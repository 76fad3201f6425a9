-- title: usage subtracts credits
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_sign_check
-- why: a negative price of a model, or a writer with the other sign convention, pays the user for
--   each request: whoever notices can mint credits.
-- remedy: stop the writer: usage goes through public.debit_user_credits, which applies the sign.
--   The numbers of the entry stay, its type was wrong: UPDATE public.credit_transactions SET
--   transaction_type = 'admin_adjustment', description = <reason> WHERE id = <id>, recorded as an
--   exception. Then take back what was given with public.debit_user_credits.
-- expected: 'below 0'
-- actual: trim_scale(amount)::text
-- difference: amount

-- NULL and NaN are amount-not-finite; refund and admin_adjustment have either sign, and a zero in
-- them is entry-amount-zero.
(transaction_type = 'usage' AND amount >= 0 AND amount <> 'NaN') IS TRUE
