-- title: a bonus adds credits
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_sign_check
-- why: a promotion was taken back, or a penalty booked, under the type bonus. Reports of what was
--   given away come out too low, and the user was charged without a reason on record.
-- remedy: decide whether the user owed it. The numbers of the entry stay, its type was wrong:
--   UPDATE public.credit_transactions SET transaction_type = 'admin_adjustment', description =
--   <reason> WHERE id = <id>, recorded as an exception. Give back what was taken wrongly with
--   public.add_user_credits.
-- expected: 'above 0'
-- actual: trim_scale(amount)::text
-- difference: amount

-- NULL and NaN are amount-not-finite; refund and admin_adjustment have either sign, and a zero in
-- them is entry-amount-zero.
(transaction_type = 'bonus' AND amount <= 0) IS TRUE
