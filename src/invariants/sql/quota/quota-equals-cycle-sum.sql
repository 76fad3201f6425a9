-- title: credits_used_this_month is the sum of the usage entries since billing_cycle_start
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare a row with a sum over another table
-- why: one path debits without counting, or the cycle was moved on without setting the counter
--   back. Users hit their allowance too early, or never.
-- remedy: settle cycle-start-future first, where it names the user, and audit again. Set the
--   counter to the expected value: UPDATE public.user_credits SET credits_used_this_month =
--   <expected>, updated_at = now() WHERE user_id = <user> AND credits_used_this_month = <actual>;
--   when no row was changed, audit again. Move a cycle on by setting billing_cycle_start and the
--   counter in one UPDATE, as "creditdb explain cycle-stale" has it.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -4,
--    "created_at": "2021-01-02T00:00:00Z"}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "credits_used_this_month": 0,
--    "billing_cycle_start": "2021-01-01T00:00:00Z"}]}

-- Only usage counts: refunds do not lower the counter. Compared exactly, and for every user with
-- a balance row; users without one are balance-row-missing. No entry before the earliest start of
-- a cycle counts for anybody; what was used before is added up for the users that differ. A clock
-- that is set back stamps an entry with a time before the cycle in which it counts: a lower id, of
-- anybody, or the balance row itself has a later time then. Or it has stamped one before it is set
-- back and a cycle begins: a higher id has an earlier time then, by more than a second, as two
-- sessions differ by less. The counter may have the one and the other, or not.
WITH used AS (
    SELECT ct.user_id, -sum(ct.amount) AS in_cycle, count(*) AS entries
      FROM public.credit_transactions AS ct
      JOIN public.user_credits AS uc ON uc.user_id = ct.user_id
     WHERE ct.transaction_type = 'usage'
       AND ct.created_at >= (SELECT min(billing_cycle_start) FROM public.user_credits)
       AND ct.created_at >= uc.billing_cycle_start
     GROUP BY ct.user_id
), different AS MATERIALIZED (
    SELECT uc.user_id, uc.credits_used_this_month, uc.billing_cycle_start, uc.created_at,
           coalesce(u.in_cycle, 0) AS in_cycle, coalesce(u.entries, 0) AS entries
      FROM public.user_credits AS uc
      LEFT JOIN used AS u ON u.user_id = uc.user_id
     WHERE uc.credits_used_this_month IS DISTINCT FROM coalesce(u.in_cycle, 0)
), set_back AS (
    SELECT d.user_id,
           coalesce(-sum(ct.amount) FILTER (WHERE ct.created_at < d.billing_cycle_start), 0)
               AS before,
           coalesce(-sum(ct.amount) FILTER (WHERE ct.created_at >= d.billing_cycle_start), 0)
               AS ahead
      FROM different AS d
      JOIN public.credit_transactions AS ct ON ct.user_id = d.user_id
     WHERE ct.transaction_type = 'usage'
       AND abs(extract(epoch FROM d.billing_cycle_start) - extract(epoch FROM ct.created_at)) <= 900
       AND CASE WHEN ct.created_at < d.billing_cycle_start
                THEN ct.created_at < d.created_at
                     OR EXISTS (SELECT FROM public.credit_transactions AS o
                                 WHERE o.id BETWEEN ct.id - 1000 AND ct.id - 1
                                   AND o.created_at >= d.billing_cycle_start)
                ELSE EXISTS (SELECT FROM public.credit_transactions AS o
                              WHERE o.id BETWEEN ct.id + 1 AND ct.id + 1000
                                AND extract(epoch FROM o.created_at)
                                    < extract(epoch FROM ct.created_at) - 1) END
     GROUP BY d.user_id
), ever AS (
    SELECT ct.user_id, -sum(ct.amount) AS total
      FROM public.credit_transactions AS ct
     WHERE ct.transaction_type = 'usage'
       AND ct.user_id IN (SELECT d.user_id FROM different AS d)
     GROUP BY ct.user_id
)
SELECT 'user ' || d.user_id AS subject,
       trim_scale(d.in_cycle)::text AS expected,
       coalesce(trim_scale(d.credits_used_this_month)::text, 'NULL') AS actual,
       nullif(d.credits_used_this_month - d.in_cycle, 'NaN') AS difference,
       CASE WHEN d.credits_used_this_month = 0 THEN 'not-counted'
            WHEN d.credits_used_this_month = e.total THEN 'not-reset'
            ELSE 'unknown' END AS cause,
       format('%s usage entries since %s; %s credits used in all',
              d.entries, d.billing_cycle_start, trim_scale(coalesce(e.total, 0))) AS detail
  FROM different AS d
  LEFT JOIN ever AS e ON e.user_id = d.user_id
  LEFT JOIN set_back AS s ON s.user_id = d.user_id
 WHERE (d.credits_used_this_month IN (d.in_cycle + s.before, d.in_cycle - s.ahead,
                                      d.in_cycle + s.before - s.ahead)) IS NOT TRUE;
