-- title: the balance of a user is the sum of the amounts of the user's entries
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare a row with a sum over another table
-- why: whatever went wrong between balance and entries (a manual UPDATE, a lost update, a deleted
--   entry, a clamp at zero) shows here as credits that appeared or vanished.
-- remedy: run "creditdb verify chain-continuity chain-sequence balance-equals-last" to see which
--   entry the difference starts at. When the entries are whole, set the balance to the expected
--   value: UPDATE public.user_credits SET balance = <expected>, updated_at = now() WHERE user_id =
--   <user> AND balance = <actual>; when no row was changed, audit again. When an entry is missing
--   or wrong, put it right from a backup, as the owner and on record: a further entry moves
--   balance and sum alike and never ends this finding.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "amount": 5},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "amount": 1}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": 5}]}

-- Silent for users without a balance row (balance-row-missing) and without entries
-- (balance-without-history). Sums are exact: amounts are numeric, never float.
WITH entries AS (
    SELECT user_id, sum(amount) AS total, count(*) AS number
      FROM public.credit_transactions
     GROUP BY user_id
)
SELECT 'user ' || uc.user_id AS subject,
       trim_scale(e.total)::text AS expected,
       trim_scale(uc.balance)::text AS actual,
       nullif(uc.balance - e.total, 'NaN') AS difference,
       CASE WHEN uc.balance = 0 AND e.total < 0 THEN 'clamped'
            WHEN round(uc.balance / nullif(e.total, 0), 6)
                 IN (0.001, 0.01, 0.1, 10, 100, 1000) THEN 'unit-mix'
            WHEN abs(uc.balance - e.total) <= 0.00000001 * e.number THEN 'truncation'
            ELSE 'unknown' END AS cause,
       format('%s entries', e.number) AS detail
  FROM entries AS e
  JOIN public.user_credits AS uc ON uc.user_id = e.user_id
 WHERE uc.balance IS DISTINCT FROM e.total;
