-- title: a user has one balance row
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: idx_user_credits_user_id, user_credits.user_id not null
-- why: the unique index is missing, or it is corrupt after a change of the C library and no
--   longer finds the row that is there. A debit then changes both rows, or the one that nobody
--   reads.
-- remedy: keep the row whose balance is the balance_after of the last entry, delete the other by
--   ctid in one transaction, then bring the index back: REINDEX INDEX CONCURRENTLY
--   public.idx_user_credits_user_id, or the constraint: ALTER TABLE public.user_credits ADD
--   CONSTRAINT idx_user_credits_user_id PRIMARY KEY (user_id).
-- canary: {"user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": 1},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": 2}]}

-- The balances are read too, so that the table itself is scanned and not the suspect index. A
-- corrupt index still counts as a guard: after a change of the C library run with --distrust.
SELECT 'user ' || coalesce(user_id::text, 'NULL') AS subject,
       '1 row'::text AS expected,
       count(*) || ' rows' AS actual,
       nullif(sum(balance) - max(balance), 'NaN') AS difference,
       'duplicated-row'::text AS cause,
       format('balances from %s to %s, last written %s',
              trim_scale(min(balance)), trim_scale(max(balance)), max(updated_at)) AS detail
  FROM public.user_credits
 GROUP BY user_id
HAVING count(*) > 1;
