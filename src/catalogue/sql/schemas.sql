-- Schemas and extensions. The owner of "public" differs between majors and is not compared, nor is
-- the version of an extension.
SELECT 'schema' AS kind, NULL AS "table", quote_ident(n.nspname) AS name,
       CASE WHEN n.nspname <> 'public' THEN pg_get_userbyid(n.nspowner)::text END AS owner,
       'pg_namespace' AS class, n.oid, 0 AS sub, '{}' AS properties
  FROM pg_namespace AS n
 WHERE n.nspname = ANY ($1)
    OR $1 IS NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'extension', NULL, quote_ident(e.extname), NULL, 'pg_extension', e.oid, 0, '{}'
  FROM pg_extension AS e
 WHERE e.extname <> 'plpgsql'
