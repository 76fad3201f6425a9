-- title: every trigger of our tables is enabled
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a restore or a bulk load switched triggers off, or set session_replication_role for all
--   sessions, and was cut off before it took that back. Foreign keys are triggers too: without them
--   rows without a user come in.
-- remedy: ALTER TABLE public.<table> ENABLE TRIGGER <trigger>, or ALTER DATABASE <database> (ALTER
--   ROLE <role>) RESET session_replication_role, or for the whole server what the detail says; then
--   look for what came in meanwhile: "creditdb verify".
-- canary: {"pg_catalog.pg_trigger": [
--   {"tgname": "canary", "tgrelid": 2, "tgenabled": "D"}], "pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- Triggers that somebody else added count too, as they were made to run. Whether a trigger belongs
-- here at all is "creditdb drift". Sessions that take themselves for replication fire none of them,
-- but for those that are always enabled: who sets that for a database, a role or the server
-- switches them off. What this session was told by its client is its own affair, and a setting of
-- the database or of its role hides from it what the server says.
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
   AND g.tgenabled NOT IN ('O', 'A')
UNION ALL
SELECT concat_ws(' ', CASE WHEN r.setdatabase = 0 THEN 'every database' ELSE 'this database' END,
                 CASE WHEN r.setrole <> 0 THEN 'role ' || pg_get_userbyid(r.setrole) END),
       'session_replication_role=origin',
       c.setting,
       NULL,
       'replication-role',
       'its sessions fire no triggers and check no foreign keys'
  FROM pg_catalog.pg_db_role_setting AS r
 CROSS JOIN LATERAL unnest(r.setconfig) AS c (setting)
 WHERE lower(c.setting) = 'session_replication_role=replica'
   AND r.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d
                              WHERE d.datname = current_database()))
UNION ALL
SELECT 'the server',
       'session_replication_role=origin',
       'session_replication_role=' || s.reset_val,
       NULL,
       'replication-role',
       concat('its sessions fire no triggers and check no foreign keys; ', CASE
           WHEN s.source = 'command line'
           THEN 'set by the command line of the server: take it out of what starts the server, and '
                'restart it'
           WHEN s.sourcefile LIKE '%/postgresql.auto.conf'
           THEN 'set by ALTER SYSTEM: ALTER SYSTEM RESET session_replication_role, then SELECT '
                'pg_reload_conf()'
           WHEN s.sourcefile IS NOT NULL
           THEN format('set in %s, line %s: correct that line, then SELECT pg_reload_conf()',
                       s.sourcefile, s.sourceline)
           ELSE 'set in a configuration file, which a member of pg_read_all_settings finds with '
                'SELECT sourcefile, sourceline FROM pg_settings WHERE name = '
                '''session_replication_role''; ALTER SYSTEM RESET helps if it is '
                'postgresql.auto.conf' END)
  FROM pg_catalog.pg_settings AS s
 WHERE s.name = 'session_replication_role' AND s.reset_val = 'replica'
   AND s.source IN ('configuration file', 'command line');
