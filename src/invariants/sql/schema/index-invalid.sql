-- title: every index of our tables is valid and ready
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a concurrent build was cut off. The index costs every write and serves no query, and when
--   it is unique it enforces less than its name says.
-- remedy: build it again: REINDEX INDEX CONCURRENTLY public.<index>. One that ends in _ccnew or
--   _ccold (cause failed-reindex) is what a cut-off REINDEX left behind beside the index that it
--   was for; it is dropped, not built again: DROP INDEX CONCURRENTLY public.<index>.
-- canary: {"pg_catalog.pg_index": [
--   {"indexrelid": 1, "indrelid": 2, "indisvalid": false, "indisready": true, "indislive": true}],
--   "pg_catalog.pg_class": [{"oid": 1, "relname": "canary"},
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- An index that is being built right now is not reported, as far as this user may see other
-- sessions. REINDEX and DROP INDEX CONCURRENTLY hold a lock on each index until they are through
-- with it, which everybody may see: progress names one of several, and none that is to be dropped.
-- Whether the right indexes exist, with the right columns, is "creditdb drift".
SELECT 'index public.' || c.relname AS subject,
       'valid and ready'::text AS expected,
       concat_ws(' and ', CASE WHEN NOT i.indisvalid THEN 'invalid' END,
                 CASE WHEN NOT i.indisready THEN 'not ready' END,
                 CASE WHEN NOT i.indislive THEN 'being dropped' END) AS actual,
       NULL::numeric AS difference,
       CASE WHEN c.relname ~ '_cc(new|old)\d*$' THEN 'failed-reindex'
            WHEN NOT i.indislive THEN 'failed-drop'
            ELSE 'failed-build' END AS cause,
       format('on table public.%s%s', t.relname,
              CASE WHEN i.indisunique THEN ', meant to be unique' END) AS detail
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
   AND NOT (i.indisvalid AND i.indisready AND i.indislive)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
                    WHERE p.index_relid = i.indexrelid)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                    WHERE l.relation = i.indexrelid
                      AND l.mode = 'ShareUpdateExclusiveLock'
                      AND l.granted
                      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                                         WHERE d.datname = current_database()));
