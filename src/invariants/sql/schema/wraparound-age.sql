-- title: no table and no prepared transaction holds the transaction ids back
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: it is a matter of vacuum
-- why: vacuum does not get through, or a prepared transaction was forgotten. At two billion the
--   server refuses every write, and it takes hours to get it back.
-- remedy: SELECT * FROM pg_prepared_xacts, then ROLLBACK PREPARED what nobody waits for. End old
--   transactions and drop unused replication slots, then VACUUM (FREEZE) public.<table>.
-- canary: {"pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3, "relkind": "r", "relfrozenxid": 2}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- By the clock of the server: the ids go on during an audit.
WITH ours AS (
    SELECT t.oid, t.reltoastrelid
      FROM pg_catalog.pg_class AS t
     WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
       AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                         'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                         'schema_version', 'refinery_schema_history')
)
SELECT 'table ' || t.oid::regclass AS subject,
       'age below 1000000000' AS expected,
       'age ' || age(t.relfrozenxid) AS actual,
       NULL::numeric AS difference,
       'not-frozen' AS cause,
       format('%s %% of the way to the end', age(t.relfrozenxid)::bigint * 100 / 2147483647)
           AS detail
  FROM pg_catalog.pg_class AS t
 WHERE (t.oid IN (SELECT o.oid FROM ours AS o)
        OR t.oid IN (SELECT o.reltoastrelid FROM ours AS o))
   AND t.relkind IN ('r', 't') AND age(t.relfrozenxid) >= 1000000000
UNION ALL
SELECT 'prepared transaction ' || quote_literal(p.gid), 'ended within an hour',
       'prepared ' || p.prepared, NULL, 'forgotten',
       format('by %s, age %s', p.owner, age(p.transaction))
  FROM pg_catalog.pg_prepared_xacts AS p
 WHERE p.database = current_database()
   AND p.prepared < (SELECT current_setting('creditdb.now')::timestamptz) - interval '1 hour';
