-- title: every trigger of our tables is enabled
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a restore or a bulk load switched triggers off and was cut off before it switched them on
--   again. Foreign keys are triggers too: without them rows without a user come in.
-- remedy: ALTER TABLE public.<table> ENABLE TRIGGER <trigger>; then look for what came in
--   meanwhile: "creditdb verify".
-- canary: {"pg_catalog.pg_trigger": [
--   {"tgname": "canary", "tgrelid": 2, "tgenabled": "D"}], "pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- Triggers that somebody else added count too, as they were made to run. Whether a trigger belongs here at all is
-- "creditdb drift".
SELECT format('trigger %s of table public.%s', g.tgname, t.relname) AS subject,
       'enabled'::text AS expected,
       CASE g.tgenabled WHEN 'R' THEN 'for replication only' ELSE 'disabled' END AS actual,
       NULL::numeric AS difference,
       CASE WHEN g.tgisinternal THEN 'foreign-key-off' ELSE 'trigger-off' END AS cause,
       format('calls %s', g.tgfoid::regprocedure) AS detail
  FROM pg_catalog.pg_trigger AS g
  JOIN pg_catalog.pg_class AS t ON t.oid = g.tgrelid
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
   AND g.tgenabled NOT IN ('O', 'A');
