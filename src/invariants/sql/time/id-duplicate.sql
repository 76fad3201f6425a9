-- title: an id names one row
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: ids are unique per user, so that two users may have the same one
-- why: a sequence was set back, or lost its place in a crash, and ids were drawn again. The
--   functions return them as transaction_id: whoever looks an entry up by it alone, support or a
--   refund job, finds two users.
-- remedy: see first that it ends: "creditdb verify sequence-behind table-unlogged". Then let one of
--   the users have new ids, for this entry and all later ones, in their order: UPDATE
--   public.credit_transactions AS ct SET id = n.id FROM (SELECT o.id AS old,
--   nextval('public.credit_transactions_id_seq') AS id FROM (SELECT id FROM
--   public.credit_transactions WHERE user_id = <user> AND id >= <id> ORDER BY id) AS o) AS n WHERE
--   ct.user_id = <user> AND ct.id = n.old. From schema 1.3.0 on only the owner can, who switches
--   the trigger credit_transactions_keep_entries off in the same transaction. A record that names
--   one of them (reference "entry <id>") has to follow, and so has whoever keeps transaction ids.
--   For a log row or a key: UPDATE public.<table> SET id = nextval('public.<table>_id_seq') WHERE
--   id = <id> AND user_id = <user>.
-- question: SELECT WHERE EXISTS (SELECT FROM public.credit_transactions WHERE id > (SELECT max(id) -
--   current_setting('creditdb.recent')::bigint FROM public.credit_transactions) GROUP BY id HAVING
--   count(*) > 1) OR EXISTS (SELECT FROM public.llm_usage_log WHERE id > (SELECT max(id) -
--   current_setting('creditdb.recent')::bigint FROM public.llm_usage_log) GROUP BY id HAVING
--   count(*) > 1) OR EXISTS (SELECT FROM public.user_provider_keys GROUP BY id HAVING count(*) > 1)
-- canary: {"user_provider_keys": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001"},
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000002"}]}
-- incremental: SELECT WHERE EXISTS (SELECT FROM public.credit_transactions WHERE id > $entries
--   GROUP BY id HAVING count(*) > 1) OR EXISTS (SELECT FROM public.llm_usage_log WHERE id > $log
--   GROUP BY id HAVING count(*) > 1) OR EXISTS (SELECT FROM public.user_provider_keys
--   GROUP BY id HAVING count(*) > 1)

-- Among the highest ids of a table, as many as the setting says: each was the highest once, and to
-- read all of them would take a sixth of an audit. A sequence that is far behind is sequence-behind,
-- and a row that it puts among sealed ones is sealed-history. Whether any id occurs twice is asked
-- first: for one answer, a planner reads the index in its order, and needs neither sort nor memory.
WITH ids (kind, id, users, one, other) AS (
    SELECT 'entry', id, count(*), min(user_id::text), max(user_id::text)
      FROM public.credit_transactions
     WHERE id > (SELECT max(id) - current_setting('creditdb.recent')::bigint
                   FROM public.credit_transactions)
     GROUP BY id HAVING count(*) > 1
    UNION ALL
    SELECT 'log row', id, count(*), min(user_id::text), max(user_id::text)
      FROM public.llm_usage_log
     WHERE id > (SELECT max(id) - current_setting('creditdb.recent')::bigint
                   FROM public.llm_usage_log)
     GROUP BY id HAVING count(*) > 1
    UNION ALL
    SELECT 'key', id, count(*), min(user_id::text), max(user_id::text)
      FROM public.user_provider_keys GROUP BY id HAVING count(*) > 1
)
SELECT format('%s %s', kind, id) AS subject,
       '1 user'::text AS expected,
       users || ' users' AS actual,
       NULL::numeric AS difference,
       'drawn-twice'::text AS cause,
       format('among them %s and %s', one, other) AS detail
  FROM ids;
