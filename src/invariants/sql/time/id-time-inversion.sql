-- title: a row is not more than a day older than one with a lower id
-- kind: query
-- scope: global
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: rows may be imported late
-- why: somebody back-dated an entry, so that it falls into a month that is closed, or a client sets
--   the time itself. Ids are drawn in order, so they tell.
-- remedy: see who wrote the row, and why it is older than its neighbours: SELECT * FROM the table
--   WHERE id BETWEEN <id> - 5 AND <id> + 5. Rows that were imported late need nothing.
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001",
--    "created_at": "2021-01-03T00:00:00Z"},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000002",
--    "created_at": "2021-01-01T00:00:00Z"}]}
-- incremental: full audits only: any row may be the one that is newer

-- Among the newest rows of a table, as many as the setting says: each was new once. Times in the
-- future do not count against later rows: timestamp-future; nor do missing ones: timestamp-missing.
WITH newest AS NOT MATERIALIZED (
    SELECT 'entry' AS kind, t.user_id, t.id, t.created_at
      FROM public.credit_transactions AS t
     WHERE t.id BETWEEN (SELECT max(id) - current_setting('creditdb.recent')::bigint
                           FROM public.credit_transactions)
                    AND (SELECT max(id) FROM public.credit_transactions)
    UNION ALL
    SELECT 'log row', t.user_id, t.id, t.created_at
      FROM public.llm_usage_log AS t
     WHERE t.id BETWEEN (SELECT max(id) - current_setting('creditdb.recent')::bigint
                           FROM public.llm_usage_log)
                    AND (SELECT max(id) FROM public.llm_usage_log)
), walked AS (
    SELECT n.*, max(n.created_at) OVER (PARTITION BY n.kind ORDER BY n.id
                                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest
      FROM newest AS n
     WHERE (n.created_at BETWEEN '2020-01-01 UTC'
            AND (SELECT current_setting('creditdb.now')::timestamptz + interval '5 minutes')
           ) IS TRUE
)
SELECT format('user %s %s %s', w.user_id, w.kind, w.id) AS subject,
       'not before ' || w.latest - interval '1 day' AS expected,
       w.created_at::text AS actual,
       NULL::numeric AS difference,
       'back-dated'::text AS cause,
       'a lower id is from ' || w.latest AS detail
  FROM walked AS w
 WHERE w.created_at < w.latest - interval '1 day';
