-- title: the entries of a user were written in the order of the chain
-- kind: query
-- scope: user
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: a clock that is set back breaks it without a fault
-- why: a writer stamped entries with the start of its transaction, a clock was set back, or
--   somebody moved the time of an entry. Reports by time then show balances that never were.
-- remedy: nothing depends on created_at but reports: find the writer that sets it itself and let
--   the function do it. One entry out of line is worth a question to whoever can edit entries.
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1,
--    "created_at": "2021-01-02T00:00:00Z"},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 2,
--    "created_at": "2021-01-01T00:00:00Z"}]}
-- incremental: full audits only: the entry before a new one may be any

-- A second is left for clocks that are adjusted. Per user the first such pair. Times in the future
-- are timestamp-future, missing ones timestamp-missing. Of the newest entries only, as many as the
-- setting says: each was new once. Before schema 1.1.0 the name entry_seq
-- means the one beside the table, which is NULL.
WITH placed AS (
    SELECT e.*
      FROM (VALUES (NULL::bigint)) AS unnumbered (entry_seq)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.created_at,
                coalesce(entry_seq, t.id - 4611686018427387904) AS place
           FROM public.credit_transactions AS t
          WHERE t.id BETWEEN (SELECT max(id) - current_setting('creditdb.recent')::bigint
                                FROM public.credit_transactions)
                         AND (SELECT max(id) FROM public.credit_transactions)
            AND (t.created_at BETWEEN '2020-01-01 UTC'
                 AND (SELECT current_setting('creditdb.now')::timestamptz + interval '5 minutes')
                ) IS TRUE
     ) AS e
), pairs AS (
    SELECT p.user_id, p.id, p.place, p.created_at,
           lag(p.id) OVER w AS previous_id, lag(p.created_at) OVER w AS previous_at
      FROM placed AS p
    WINDOW w AS (PARTITION BY p.user_id ORDER BY p.place)
), inversions AS (
    SELECT DISTINCT ON (p.user_id) p.*, count(*) OVER (PARTITION BY p.user_id) AS number
      FROM pairs AS p
     WHERE p.created_at < p.previous_at - interval '1 second'
     ORDER BY p.user_id, p.place
)
SELECT format('user %s entry %s', i.user_id, i.id) AS subject,
       'not before ' || i.previous_at AS expected,
       i.created_at::text AS actual,
       NULL::numeric AS difference,
       'clock'::text AS cause,
       format('follows entry %s, and is %s older; such entries of this user: %s',
              i.previous_id, i.previous_at - i.created_at, i.number) AS detail
  FROM inversions AS i;
