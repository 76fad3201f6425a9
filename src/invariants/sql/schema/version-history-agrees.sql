-- title: schema_version and the migration history tell the same story
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: two tables of two owners, which no constraint connects
-- why: somebody ran a migration file by hand, deleted a row of the history to run it again, or
--   restored one table and not the other. The next upgrade then starts from a schema that is not
--   there.
-- remedy: run "creditdb status", which names what is applied, missing and diverged. Bring the two
--   tables together only after comparing the schema with the version that it claims to be.
-- canary: {"schema_version": [{"version": "canary"}]}

-- A schema version is recorded by a migration named record_schema_version, so the k-th of these
-- belongs to the k-th version. Clocks of deployers are not the server's: minutes between two
-- migrations and a day between the two tables are forgiven, and an adopted database may have its
-- history later than its versions. The history is read through query_to_xml because plain SQL
-- fails when the table is missing, which is a finding. What files contain is creditdb status.
WITH history AS MATERIALIZED (
    SELECT h[1]::integer AS version, h[2] AS name,
           CASE WHEN h[3] ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d' THEN h[3]::timestamptz END AS at
      FROM regexp_matches(query_to_xml(
               CASE WHEN to_regclass('public.refinery_schema_history') IS NULL
                    THEN 'SELECT 1 WHERE false'
                    ELSE 'SELECT concat_ws(''|'', version, name, applied_on) AS row
                            FROM public.refinery_schema_history' END, false, true, '')::text,
               '<row>(\d+)\|([^|<]*)\|([^|<]*)</row>', 'g') AS h
), recorders AS (
    SELECT version, at, row_number() OVER (ORDER BY version) AS n
      FROM history WHERE name LIKE 'record\_schema\_version%'
), versions AS (
    SELECT version, applied_at AS at, row_number() OVER w AS n, lag(applied_at) OVER w AS before
      FROM (SELECT *, CASE WHEN version ~ '^\d{1,9}\.\d{1,9}\.\d{1,9}$'
                           THEN string_to_array(version, '.')::integer[] END AS key
              FROM public.schema_version) AS v
    WINDOW w AS (ORDER BY key, version)
), findings (subject, expected, actual, cause) AS (
    SELECT 'table refinery_schema_history', 'the history of migrations', 'no table or no rows',
           'history-missing'
     WHERE NOT EXISTS (SELECT FROM history)
    UNION ALL
    SELECT 'migration V' || n, 'applied before V' || (SELECT max(version) FROM history),
           'not in the history', 'gap'
      FROM generate_series(1, (SELECT max(version) FROM history)) AS n
     WHERE n NOT IN (SELECT version FROM history)
    UNION ALL
    SELECT 'migration V' || version, 'after ' || before, coalesce(at::text, 'no time'),
           'out-of-order'
      FROM (SELECT version, at, lag(at) OVER (ORDER BY version) AS before FROM history) AS h
     WHERE (at >= before - interval '5 minutes' OR (before IS NULL AND at IS NOT NULL)) IS NOT TRUE
    UNION ALL
    SELECT 'schema version ' || version, 'three numbers and two dots', quote_literal(version),
           'malformed'
      FROM versions WHERE version !~ '^\d{1,9}\.\d{1,9}\.\d{1,9}$'
    UNION ALL
    SELECT 'schema version ' || version, 'after ' || before, at::text, 'out-of-order'
      FROM versions WHERE at < before
    UNION ALL
    SELECT coalesce('schema version ' || v.version, 'migration V' || r.version),
           CASE WHEN r.n IS NULL THEN 'a migration that records it'
                WHEN v.n IS NULL THEN 'a row in schema_version'
                ELSE 'recorded not after ' || (r.at + interval '1 day') END,
           coalesce(CASE WHEN r.n IS NOT NULL THEN v.at::text END, 'none'),
           CASE WHEN r.n IS NULL THEN 'run-by-hand'
                WHEN v.n IS NULL THEN 'version-missing' ELSE 'recorded-late' END
      FROM recorders AS r FULL JOIN versions AS v ON v.n = r.n
     WHERE EXISTS (SELECT FROM history)
       AND (v.version ~ '^\d{1,9}\.\d{1,9}\.\d{1,9}$') IS NOT FALSE
       AND (r.n IS NULL OR v.n IS NULL OR v.at > r.at + interval '1 day')
)
SELECT subject, expected, actual, NULL::numeric AS difference, cause, NULL::text AS detail
  FROM findings;
