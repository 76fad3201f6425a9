-- title: every user with entries or provider keys has a balance row
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_user_id_fkey, user_provider_keys_user_id_fkey
-- why: provisioning failed silently, or a balance row was deleted while entries stayed. The
--   user's requests are refused, and the credits that the entries gave are gone.
-- remedy: when the entries are whole ("creditdb verify chain-continuity"), insert the row with the
--   sum of the entries: INSERT INTO public.user_credits (user_id, balance) VALUES (<user>,
--   <expected>) ON CONFLICT (user_id) DO NOTHING; from schema 1.1.0 on, number it: UPDATE
--   public.user_credits SET last_entry_seq = (SELECT coalesce(max(entry_seq), 0) FROM
--   public.credit_transactions WHERE user_id = <user>) WHERE user_id = <user> AND last_entry_seq =
--   0; then set tier and allowance of the user's plan.
-- doubt: SELECT FROM public.user_provider_keys AS pk WHERE NOT EXISTS (SELECT FROM
--   public.user_credits AS uc WHERE uc.user_id = pk.user_id)
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "amount": 5}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000002", "balance": 5}]}

-- Users who appear only in the usage log are usage-user-unknown, a warning: no money is involved.
-- session_replication_role gets round foreign keys: the sums of the chain tell of entries, and keys,
-- which are few, are looked at all the same.
WITH missing AS (
    SELECT ct.user_id, ct.amount, 1 AS entries, 0 AS keys
      FROM public.credit_transactions AS ct
     WHERE NOT EXISTS (SELECT FROM public.user_credits AS uc WHERE uc.user_id = ct.user_id)
    UNION ALL
    SELECT pk.user_id, 0, 0, 1
      FROM public.user_provider_keys AS pk
     WHERE NOT EXISTS (SELECT FROM public.user_credits AS uc WHERE uc.user_id = pk.user_id)
)
SELECT 'user ' || coalesce(user_id::text, 'NULL') AS subject,
       format('a balance row with %s', trim_scale(sum(amount))) AS expected,
       'no row'::text AS actual,
       nullif(-sum(amount), 'NaN') AS difference,
       'row-missing'::text AS cause,
       format('%s entries, %s provider keys', sum(entries), sum(keys)) AS detail
  FROM missing
 GROUP BY user_id;
