-- title: the entries of a user are numbered 1, 2, 3 and so on, up to last_entry_seq
-- kind: query
-- scope: user
-- severity: error
-- since: 1.1.0
-- guarded_by: nothing: the primary key forbids repeats, but no constraint forbids gaps
-- why: an entry was deleted, which its number outlives, or inserted beside the functions. Where the
--   balances were bent to fit, this is the only trace.
-- remedy: find the missing entry in a backup, or in the request or payment that it belonged to.
--   Never renumber. When credits are owed or due, append an admin_adjustment with
--   public.add_user_credits or public.debit_user_credits that names the finding. When only
--   last_entry_seq is wrong, set it to the highest number under the row lock.
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 3}],
--   "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "last_entry_seq": 3}]}

-- Whether the balances follow is chain-continuity. Users without a balance row are
-- balance-row-missing; their numbers count all the same. Numbers at either end of what bigint holds
-- are counted as numeric, and only where there is a finding, as that is slower.
WITH links AS (
    SELECT ct.user_id, ct.id, ct.entry_seq,
           lag(ct.entry_seq, 1, 0::bigint) OVER (PARTITION BY ct.user_id
                                                 ORDER BY ct.entry_seq, ct.id) AS previous
      FROM public.credit_transactions AS ct
), highest AS (
    SELECT ct.user_id, max(ct.entry_seq) AS entry_seq
      FROM public.credit_transactions AS ct
     GROUP BY ct.user_id
)
SELECT format('entry %s of user %s', l.id, l.user_id) AS subject,
       'number ' || l.previous::numeric + 1 AS expected,
       'number ' || l.entry_seq AS actual,
       NULL::numeric AS difference,
       CASE WHEN l.entry_seq < 1 THEN 'number-below-one'
            WHEN l.entry_seq = l.previous THEN 'repeated-number'
            ELSE 'deleted-entry' END AS cause,
       CASE WHEN l.entry_seq > l.previous::numeric + 1
            THEN format('entries missing before it: %s', l.entry_seq - l.previous::numeric - 1)
            END AS detail
  FROM links AS l
 WHERE CASE WHEN l.previous < 9223372036854775807
            THEN l.entry_seq IS DISTINCT FROM l.previous + 1 ELSE true END
UNION ALL
SELECT 'user ' || uc.user_id,
       'last number ' || coalesce(h.entry_seq, 0),
       'last_entry_seq ' || uc.last_entry_seq,
       NULL,
       CASE WHEN uc.last_entry_seq > coalesce(h.entry_seq, 0) THEN 'deleted-entry'
            ELSE 'inserted-entry' END,
       CASE WHEN uc.last_entry_seq > coalesce(h.entry_seq, 0)
            THEN format('entries missing at the end: %s',
                        uc.last_entry_seq::numeric - coalesce(h.entry_seq, 0)) END
  FROM public.user_credits AS uc
  LEFT JOIN highest AS h ON h.user_id = uc.user_id
 WHERE uc.last_entry_seq IS DISTINCT FROM coalesce(h.entry_seq, 0);
