-- title: the tier is trial, starter, professional or enterprise
-- kind: row
-- table: user_credits
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: user_credits_tier_check, user_credits.tier not null
-- why: a plan was renamed in the shop and written as it is. The user falls out of every rule that
--   asks for a tier, and an enterprise user is refused.
-- remedy: map the word to one of the four: UPDATE public.user_credits SET tier = <tier>,
--   updated_at = now() WHERE user_id = <user>; then restore the constraint
--   user_credits_tier_check.
-- expected: 'trial, starter, professional or enterprise'
-- actual: coalesce(quote_literal(tier), 'NULL')
-- canary: {"tier": "gold"}

-- Spelling counts: 'Trial' is another word to every query.
(tier IN ('trial', 'starter', 'professional', 'enterprise')) IS NOT TRUE
