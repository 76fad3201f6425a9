-- title: no policy hides rows of our tables
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: row security was switched on with one click. Whoever it applies to sees a part of the ledger
--   and takes it for the whole: sums are too low, and a debit finds no balance row.
-- remedy: ALTER TABLE public.<table> DISABLE ROW LEVEL SECURITY; whoever needs to see their own
--   rows only gets a view or a function. An audit runs as the owner, or as a role with BYPASSRLS.
-- canary: {"pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3, "relrowsecurity": true}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- Where it hides rows from the audit itself, the checks of that table end with an error, not with
-- a subset: row_security is off during an audit.
SELECT 'table public.' || t.relname AS subject,
       'row security off'::text AS expected,
       CASE WHEN t.relforcerowsecurity THEN 'on, for the owner too' ELSE 'on' END AS actual,
       NULL::numeric AS difference,
       CASE WHEN row_security_active(t.oid) THEN 'hides-from-the-audit'
            ELSE 'hides-from-others' END AS cause,
       format('policies: %s', coalesce((SELECT string_agg(p.polname, ', ' ORDER BY p.polname)
                                          FROM pg_catalog.pg_policy AS p
                                         WHERE p.polrelid = t.oid), 'none, so nothing is visible'))
           AS detail
  FROM pg_catalog.pg_class AS t
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
   AND t.relrowsecurity;
