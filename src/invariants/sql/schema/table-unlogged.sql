-- title: our tables and their sequences are logged
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a table was made UNLOGGED for a fast load and stayed so. It is emptied by the next crash,
--   is not in the replicas, and cannot be restored to a point in time. A sequence begins anew after
--   the crash, and draws ids again that are in use.
-- remedy: ALTER TABLE public.<table> SET LOGGED. It rewrites the table and locks it meanwhile, so
--   plan it; take a backup first. For a sequence: ALTER SEQUENCE public.<sequence> SET LOGGED; then
--   "creditdb verify sequence-behind id-duplicate".
-- canary: {"pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3, "relkind": "r",
--    "relpersistence": "u"}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- Tables that are missing altogether are "creditdb drift". Sequences can be unlogged from
-- PostgreSQL 15 on; that of an unlogged table goes with it.
SELECT CASE t.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END || ' public.' || t.relname
           AS subject,
       'logged'::text AS expected,
       CASE t.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'temporary' END AS actual,
       NULL::numeric AS difference,
       NULL::text AS cause,
       pg_size_pretty(pg_table_size(t.oid)) AS detail
  FROM pg_catalog.pg_class AS t
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND t.relkind IN ('r', 'p', 'S')
   AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history',
                     'credit_transactions_id_seq', 'credit_packages_id_seq',
                     'power_level_configs_id_seq', 'user_provider_keys_id_seq',
                     'llm_usage_log_id_seq')
   AND t.relpersistence <> 'p'
   AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_depend AS d
             JOIN pg_catalog.pg_class AS o ON o.oid = d.refobjid AND o.relpersistence <> 'p'
            WHERE d.classid = 'pg_class'::regclass AND d.objid = t.oid
              AND d.refclassid = 'pg_class'::regclass AND t.relkind = 'S');
