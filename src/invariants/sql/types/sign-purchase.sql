-- title: a purchase adds credits
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_sign_check
-- why: a negative price or quantity reached the ledger, or a charge-back was booked as a
--   purchase. The user paid and lost credits, and revenue reports subtract the sale.
-- remedy: look the payment up by reference_id. The numbers of the entry stay, its type was wrong:
--   UPDATE public.credit_transactions SET transaction_type = 'admin_adjustment', description =
--   <reason> WHERE id = <id> (type refund for a charge-back), recorded as an exception. Then give
--   what was paid with public.add_user_credits.
-- expected: 'above 0'
-- actual: trim_scale(amount)::text
-- difference: amount

-- NULL and NaN are amount-not-finite; refund and admin_adjustment have either sign, and a zero in
-- them is entry-amount-zero.
(transaction_type = 'purchase' AND amount <= 0) IS TRUE
