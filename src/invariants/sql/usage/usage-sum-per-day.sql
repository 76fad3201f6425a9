-- title: requests without an id were charged what the log says, user by user and day by day
-- kind: query
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare sums of two tables
-- why: the upstream sends no id, so no request can be compared with its charge. A debit that is
--   missing, or came twice, shows only in the sums.
-- remedy: compare the rows of these days: SELECT * FROM public.llm_usage_log WHERE user_id =
--   <user> AND request_id IS NULL, and the usage entries without a reference. Settle the
--   difference with an admin_adjustment that names the last of these days: SELECT * FROM
--   public.debit_user_credits(<user>, <owed>, 'admin_adjustment', 'usage of <last day>',
--   <reason>), or public.add_user_credits with what is due; with 0.00000001 where nothing is, as
--   when a refund gave it back. Let the gateway make ids of its own.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "created_at": "2021-01-01T00:00:00Z"}], "llm_usage_log": [
--   {"request_id": "a", "created_at": "2020-12-01T00:00:00Z"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "success": true, "credits_used": 4,
--    "created_at": "2021-01-01T00:00:00Z"}]}

-- A debit just before midnight is logged after it, so days that follow each other are judged
-- together: their differences must come out even. Days with rows younger than 15 minutes wait.
-- The log forgets old rows: only days after that of its oldest row are judged. What that day still
-- holds is counted, and where it is uneven the day that follows it is not judged, either: a request
-- may lie on both sides of midnight. The days after that one are judged by their own sum, or a user
-- whose every day is uneven would never be found.
-- Settled by an admin_adjustment whose reference is 'usage of <day>' are the days up to that one.
-- The last day is named, so that uneven days that come after it are a finding of their own.
WITH oldest AS (
    SELECT min(created_at) AS at,
           ((least(min(created_at), current_setting('creditdb.now')::timestamptz)
             + interval '15 minutes') AT TIME ZONE 'UTC')::date AS day
      FROM public.llm_usage_log WHERE created_at >= '2020-01-01 UTC'
), charges AS (
    SELECT user_id, created_at, -amount AS charged, 0::numeric AS logged
      FROM public.credit_transactions
     WHERE transaction_type = 'usage' AND amount > '-Infinity' AND amount < 'Infinity'
       AND (btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')) IS NOT TRUE
    UNION ALL
    SELECT user_id, created_at, 0, credits_used
      FROM public.llm_usage_log
     WHERE success IS NOT FALSE AND byok_used IS NOT TRUE
       AND credits_used > 0 AND credits_used < 'Infinity'
       AND (btrim(request_id) NOT IN ('', 'None', 'null', 'undefined')) IS NOT TRUE
), days AS (
    SELECT user_id, (created_at AT TIME ZONE 'UTC')::date AS day, sum(charged) AS charged,
           sum(logged) AS logged, count(*) AS number, max(created_at) AS last_at
      FROM charges
     WHERE isfinite(created_at)
       AND created_at >= (SELECT o.at FROM oldest AS o)
     GROUP BY 1, 2
    HAVING sum(charged) <> sum(logged)
), settled AS (
    SELECT d.*, EXISTS (
               SELECT FROM public.credit_transactions AS n
                WHERE n.user_id = d.user_id
                  AND n.transaction_type = 'admin_adjustment'
                  AND n.reference_id = 'usage of ' || to_char(d.day, 'YYYY-MM-DD')) AS is_settled
      FROM days AS d
), runs AS (
    SELECT s.*, s.day - (row_number() OVER by_day)::integer AS run,
           count(*) FILTER (WHERE s.is_settled) OVER by_day - s.is_settled::integer AS part,
           lag(CASE WHEN NOT s.is_settled THEN s.day END) OVER by_day AS open_before
      FROM settled AS s
    WINDOW by_day AS (PARTITION BY user_id ORDER BY day)
)
SELECT format('user %s from %s to %s', user_id, min(runs.day), max(runs.day)) AS subject,
       trim_scale(sum(logged))::text AS expected,
       trim_scale(sum(charged))::text AS actual,
       sum(logged) - sum(charged) AS difference,
       CASE WHEN sum(charged) < sum(logged) THEN 'not-debited' ELSE 'log-lost' END AS cause,
       format('entries and log rows without an id: %s', sum(number)) AS detail
  FROM runs
 CROSS JOIN oldest
 WHERE runs.day > oldest.day
   AND (runs.day > oldest.day + 1 OR open_before IS DISTINCT FROM oldest.day)
 GROUP BY user_id, run, part
HAVING sum(charged) <> sum(logged)
   AND NOT bool_or(is_settled)
   AND max(last_at) < (SELECT current_setting('creditdb.now')::timestamptz)
                      - interval '15 minutes';
