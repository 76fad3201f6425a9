-- title: the allowance of a user is that of the tier
-- kind: row
-- table: user_credits
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: an allowance may be agreed with one customer
-- why: an upgrade or a downgrade set the tier and was cut off before the allowance, so a user pays
--   for one plan and has another.
-- remedy: set what was agreed: UPDATE public.user_credits SET monthly_allowance = <expected>,
--   updated_at = now() WHERE user_id = <user>.
-- expected: CASE tier WHEN 'trial' THEN '100' WHEN 'starter' THEN '1000' WHEN 'professional' THEN
--   '10000' ELSE 'NULL (unlimited)' END
-- actual: coalesce(trim_scale(monthly_allowance)::text, 'NULL (unlimited)')
-- canary: {"tier": "trial", "monthly_allowance": 1}

-- A tier that is none of the four is tier-domain.
(tier IN ('trial', 'starter', 'professional', 'enterprise')) IS TRUE
AND monthly_allowance IS DISTINCT FROM CASE tier WHEN 'trial' THEN 100 WHEN 'starter' THEN 1000
                                                 WHEN 'professional' THEN 10000 END
