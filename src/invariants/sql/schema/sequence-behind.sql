-- title: the next id of every sequence is above the highest id in use
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: a sequence knows nothing of the rows
-- why: rows were restored or copied with their ids and the sequence was not set. The next entries
--   fail on the primary key, or land below older entries and break the order of the chain.
-- remedy: with those waited for who have drawn and not committed, whose ids would be drawn again:
--   BEGIN; LOCK TABLE public.<table> IN SHARE ROW EXCLUSIVE MODE; SELECT
--   setval('public.<sequence>', greatest((SELECT max(id) FROM public.<table>), (SELECT last_value
--   FROM public.<sequence>))); COMMIT; then see whether entries came in meanwhile: "creditdb verify
--   chain-continuity id-duplicate".
-- canary: {"credit_transactions": [{"id": 9223372036854775807}],
--   "llm_usage_log": [{"id": 9223372036854775807}]}

-- A sequence is read as it is now, not as of the audit's moment: it can only be further than the
-- rows that the audit sees. After the last id of all, the next one is more than bigint holds. The
-- canary is in two tables, as it is not found in one whose sequence is used up.
WITH ids (sequence, "table", used, next) AS (
    SELECT 'credit_transactions_id_seq', 'credit_transactions',
           (SELECT max(id) FROM public.credit_transactions),
           s.last_value::numeric + s.is_called::integer
      FROM public.credit_transactions_id_seq AS s
    UNION ALL
    SELECT 'llm_usage_log_id_seq', 'llm_usage_log',
           (SELECT max(id) FROM public.llm_usage_log),
           s.last_value::numeric + s.is_called::integer
      FROM public.llm_usage_log_id_seq AS s
    UNION ALL
    SELECT 'user_provider_keys_id_seq', 'user_provider_keys',
           (SELECT max(id) FROM public.user_provider_keys),
           s.last_value::numeric + s.is_called::integer
      FROM public.user_provider_keys_id_seq AS s
    UNION ALL
    SELECT 'credit_packages_id_seq', 'credit_packages',
           (SELECT max(id) FROM public.credit_packages),
           s.last_value::numeric + s.is_called::integer
      FROM public.credit_packages_id_seq AS s
    UNION ALL
    SELECT 'power_level_configs_id_seq', 'power_level_configs',
           (SELECT max(id) FROM public.power_level_configs),
           s.last_value::numeric + s.is_called::integer
      FROM public.power_level_configs_id_seq AS s
)
SELECT 'sequence public.' || sequence AS subject,
       'next id above ' || used AS expected,
       'next id ' || next AS actual,
       NULL::numeric AS difference,
       'behind'::text AS cause,
       format('highest id in public.%s is %s', "table", used) AS detail
  FROM ids
 WHERE next <= used;
