-- title: the counter and the allowance are numbers and not negative
-- kind: row
-- table: user_credits
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: user_credits_quota_check, user_credits.credits_used_this_month not null
-- why: a refund was counted back into a cycle in which it was not used, or a reset raced with a
--   debit. A negative counter gives the user more than the allowance; NaN turns it off.
-- remedy: compare with the entries: "creditdb verify quota-equals-cycle-sum", whose remedy sets
--   the counter. Set a wrong allowance to that of the plan (NULL is unlimited).
-- expected: 'numbers, 0 or above'
-- actual: format('used %s, allowance %s', coalesce(trim_scale(credits_used_this_month)::text,
--   'NULL'), coalesce(trim_scale(monthly_allowance)::text, 'unlimited'))
-- canary: {"credits_used_this_month": -1, "monthly_allowance": 100}

-- A counter that is positive and wrong is quota-equals-cycle-sum.
(credits_used_this_month >= 0 AND credits_used_this_month < 'Infinity') IS NOT TRUE
OR (monthly_allowance >= 0 AND monthly_allowance < 'Infinity') IS FALSE
