-- title: no user has used more than the allowance of the cycle
-- kind: row
-- table: user_credits
-- scope: user
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: credits that were bought may be used beyond the allowance
-- why: the gateway asks for the percentage, gets no answer in time and lets the request through:
--   the cap fails open. Or the user bought credits on top, which is fine.
-- remedy: compare with what was bought: SELECT * FROM public.credit_transactions WHERE user_id =
--   <user> AND transaction_type = 'purchase'. Without purchases, see why the gateway does not
--   refuse.
-- expected: 'at most ' || trim_scale(monthly_allowance)
-- actual: trim_scale(credits_used_this_month)::text
-- difference: nullif(credits_used_this_month - monthly_allowance, 'NaN')
-- canary: {"credits_used_this_month": 2, "monthly_allowance": 1}

-- No allowance is unlimited. NaN is quota-negative.
(credits_used_this_month > monthly_allowance
 AND credits_used_this_month < 'Infinity' AND monthly_allowance >= 0) IS TRUE
