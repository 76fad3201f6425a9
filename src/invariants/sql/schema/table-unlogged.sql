-- title: our tables are logged
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a table was made UNLOGGED for a fast load and stayed so. It is emptied by the next crash,
--   is not in the replicas, and cannot be restored to a point in time.
-- remedy: ALTER TABLE public.<table> SET LOGGED. It rewrites the table and locks it meanwhile, so
--   plan it; take a backup first.
-- canary: {"pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3, "relkind": "r",
--    "relpersistence": "u"}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- Tables that are missing altogether are "creditdb drift".
SELECT 'table public.' || t.relname AS subject,
       'logged'::text AS expected,
       CASE t.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'temporary' END AS actual,
       NULL::numeric AS difference,
       NULL::text AS cause,
       pg_size_pretty(pg_table_size(t.oid)) AS detail
  FROM pg_catalog.pg_class AS t
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND t.relkind IN ('r', 'p')
   AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
   AND t.relpersistence <> 'p';
