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
-- incremental: full audits only: any row may be the one that is newer

-- First by blocks of 4096 ids, then, within those that have such a row, one by one: so ordinary
-- tables are read once and not sorted. Times in the future do not count against later rows:
-- timestamp-future; nor do missing ones: timestamp-missing.
WITH written AS NOT MATERIALIZED (
    SELECT 'entry' AS kind, user_id, id, created_at FROM public.credit_transactions
    UNION ALL
    SELECT 'log row', user_id, id, created_at FROM public.llm_usage_log
), dated AS NOT MATERIALIZED (
    SELECT w.*, w.id / 4096 AS block
      FROM written AS w
     WHERE w.created_at BETWEEN '2020-01-01 UTC'
       AND (SELECT current_setting('creditdb.now')::timestamptz) + interval '5 minutes'
), blocks AS (
    SELECT kind, block, min(created_at) AS oldest, max(created_at) AS newest
      FROM dated GROUP BY kind, block
), ordered AS (
    SELECT b.*, max(b.newest) OVER (PARTITION BY b.kind ORDER BY b.block
                                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM blocks AS b
), suspects AS MATERIALIZED (
    SELECT o.* FROM ordered AS o
     WHERE o.oldest < greatest(o.newest, o.before) - interval '1 day'
), walked AS (
    SELECT d.*, greatest(s.before, max(d.created_at) OVER (
                    PARTITION BY d.kind, d.block ORDER BY d.id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS newest
      FROM dated AS d
      JOIN suspects AS s ON s.kind = d.kind AND s.block = d.block
)
SELECT format('user %s %s %s', w.user_id, w.kind, w.id) AS subject,
       'not before ' || w.newest - interval '1 day' AS expected,
       w.created_at::text AS actual,
       NULL::numeric AS difference,
       'back-dated'::text AS cause,
       'a lower id is from ' || w.newest AS detail
  FROM walked AS w
 WHERE w.created_at < w.newest - interval '1 day';
