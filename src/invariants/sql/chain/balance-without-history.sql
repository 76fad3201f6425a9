-- title: a balance other than zero has entries
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can demand rows of another table
-- why: a script granted starting credits with a plain INSERT or UPDATE, without an entry. Nobody
--   can say later where the credits came from.
-- remedy: set the balance to 0: UPDATE public.user_credits SET balance = 0, updated_at = now()
--   WHERE user_id = <user> AND balance = <actual>; when no row was changed, audit again. When the
--   credits were meant, grant them again in the same transaction: SELECT * FROM
--   public.add_user_credits(<user>, <actual>, 'bonus', <ticket>, <reason>).
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000002", "amount": 5}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": 5}]}

-- Users with entries are balance-equals-last and balance-equals-sum.
SELECT 'user ' || coalesce(uc.user_id::text, 'NULL') AS subject,
       '0'::text AS expected,
       trim_scale(uc.balance)::text AS actual,
       nullif(uc.balance, 'NaN') AS difference,
       'unlogged-write'::text AS cause,
       format('tier %s, created %s, updated %s', uc.tier, uc.created_at, uc.updated_at) AS detail
  FROM public.user_credits AS uc
 WHERE uc.balance IS DISTINCT FROM 0
   AND NOT EXISTS (
           SELECT FROM public.credit_transactions AS ct WHERE ct.user_id = uc.user_id);
