-- title: every constraint of our tables is valid and enforced
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a constraint was added as NOT VALID and never validated, or is not enforced: old rows may
--   break what its name promises, and checks that it should prove are not proven.
-- remedy: ALTER TABLE public.<table> VALIDATE CONSTRAINT <constraint>. When it fails, the message
--   names a row: repair it and validate again. During an upgrade, wait for its next step.
-- canary: {"pg_catalog.pg_constraint": [
--   {"conname": "canary", "conrelid": 2, "convalidated": false}], "pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- NOT ENFORCED (PostgreSQL 18) implies not valid. Whether all constraints exist
-- is "creditdb drift".
SELECT format('constraint %s of table public.%s', con.conname, t.relname) AS subject,
       'valid'::text AS expected,
       'not valid'::text AS actual,
       NULL::numeric AS difference,
       'not-validated'::text AS cause,
       pg_get_constraintdef(con.oid) AS detail
  FROM pg_catalog.pg_constraint AS con
  JOIN pg_catalog.pg_class AS t ON t.oid = con.conrelid
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
   AND NOT con.convalidated;
