-- title: credits_used_this_month is the sum of the usage entries since billing_cycle_start
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare a row with a sum over another table
-- why: one path debits without counting, or the cycle was moved on without setting the counter
--   back. Users hit their allowance too early, or never.
-- remedy: set the counter to the expected value under the row lock: UPDATE public.user_credits
--   SET credits_used_this_month = <expected>, updated_at = now() WHERE user_id = <user>. Move a
--   cycle on by setting billing_cycle_start and the counter in one UPDATE.

-- Only usage counts: refunds do not lower the counter. Compared exactly, and for every user with
-- a balance row; users without one are balance-row-missing.
WITH used AS (
    SELECT ct.user_id,
           -sum(ct.amount) AS ever,
           -sum(ct.amount) FILTER (WHERE ct.created_at >= uc.billing_cycle_start) AS in_cycle,
           count(*) FILTER (WHERE ct.created_at >= uc.billing_cycle_start) AS entries
      FROM public.credit_transactions AS ct
      JOIN public.user_credits AS uc ON uc.user_id = ct.user_id
     WHERE ct.transaction_type = 'usage'
     GROUP BY ct.user_id
)
SELECT 'user ' || uc.user_id AS subject,
       trim_scale(coalesce(u.in_cycle, 0))::text AS expected,
       coalesce(trim_scale(uc.credits_used_this_month)::text, 'NULL') AS actual,
       nullif(uc.credits_used_this_month - coalesce(u.in_cycle, 0), 'NaN') AS difference,
       CASE WHEN uc.credits_used_this_month = 0 THEN 'not-counted'
            WHEN uc.credits_used_this_month = u.ever THEN 'not-reset'
            ELSE 'unknown' END AS cause,
       format('%s usage entries since %s; %s credits used in all',
              coalesce(u.entries, 0), uc.billing_cycle_start, trim_scale(coalesce(u.ever, 0)))
           AS detail
  FROM public.user_credits AS uc
  LEFT JOIN used AS u ON u.user_id = uc.user_id
 WHERE uc.credits_used_this_month IS DISTINCT FROM coalesce(u.in_cycle, 0);
