-- title: the collations of our indexes are those that they were built with
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the library belongs to the operating system
-- why: an upgrade of the operating system sorts text otherwise. An index that was built before no
--   longer finds what is there, and a unique one lets duplicates in.
-- remedy: REINDEX INDEX CONCURRENTLY public.<index> for each index on text, then ALTER COLLATION
--   <collation> REFRESH VERSION or ALTER DATABASE <database> REFRESH COLLATION VERSION; then look
--   for duplicates: "creditdb verify --distrust".
-- canary: {"pg_catalog.pg_collation": [
--   {"oid": 950, "collprovider": "c", "collversion": "0"}], "pg_catalog.pg_index": [
--   {"indexrelid": 1, "indrelid": 2, "indcollation": [950]}], "pg_catalog.pg_class": [
--   {"oid": 1, "relname": "canary"}, {"oid": 2, "relname": "user_credits", "relnamespace": 3}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- A version is recorded when a collation or a database is made; C has none. The database's own is
-- known from PostgreSQL 15 on, and its function would stop older servers here: hence as text. The
-- collation of the canary is C, whose number is the same everywhere.
WITH used AS (
    SELECT i.indexrelid, c.relname AS index, unnest(i.indcollation) AS collation
      FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
     WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
       AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
), versions AS (
    SELECT k.oid, format('collation %s', k.oid::regcollation) AS name,
           k.collversion AS recorded, pg_collation_actual_version(k.oid) AS actual
      FROM pg_catalog.pg_collation AS k
     WHERE k.collprovider <> 'd' AND k.oid IN (SELECT u.collation FROM used AS u)
    UNION ALL
    SELECT 100, format('database %I', d.datname), to_jsonb(d) ->> 'datcollversion',
           CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_proc
                              WHERE proname = 'pg_database_collation_actual_version')
                THEN substring(query_to_xml(
                          'SELECT pg_database_collation_actual_version(oid) AS v
                             FROM pg_database WHERE datname = current_database()',
                          false, false, '')::text FROM '<v>(.*)</v>') END
      FROM pg_catalog.pg_database AS d
     WHERE d.datname = current_database()
)
SELECT v.name AS subject,
       'version ' || v.recorded AS expected,
       'version ' || coalesce(v.actual, 'none') AS actual,
       NULL::numeric AS difference,
       'library-changed'::text AS cause,
       'indexes: ' || string_agg(DISTINCT u.index, ', ' ORDER BY u.index) AS detail
  FROM versions AS v
  JOIN used AS u ON u.collation = v.oid
 WHERE v.recorded IS DISTINCT FROM v.actual AND v.recorded IS NOT NULL
 GROUP BY v.name, v.recorded, v.actual;
