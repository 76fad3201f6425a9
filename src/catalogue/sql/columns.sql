-- Columns of tables, without their order. $1: oids in scope. NOT NULL is told with the column: only
-- PostgreSQL 18 knows it as a constraint, which may be unvalidated there.
SELECT 'column' AS kind, a.attrelid::regclass::text AS "table", quote_ident(a.attname) AS name,
       NULL AS owner, 'pg_class' AS class, a.attrelid AS oid, a.attnum::int AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'type', format_type(a.atttypid, a.atttypmod),
           'not null', CASE WHEN a.attnotnull THEN CASE
               WHEN EXISTS (SELECT FROM pg_constraint AS k
                             WHERE k.conrelid = a.attrelid AND k.contype = 'n'
                               AND a.attnum = ANY (k.conkey) AND NOT k.convalidated)
               THEN 'not valid' ELSE 'yes' END END,
           'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
           'generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid)
               || CASE a.attgenerated WHEN 's' THEN ' stored' ELSE ' virtual' END END,
           'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
           'collation', CASE WHEN a.attcollation NOT IN (0, t.typcollation)
               THEN a.attcollation::regcollation::text END))::text AS properties
  FROM pg_attribute AS a
  JOIN pg_class AS c ON c.oid = a.attrelid
  JOIN pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
 WHERE a.attrelid = ANY ($1) AND c.relkind IN ('r', 'p', 'f')
   AND a.attnum > 0 AND NOT a.attisdropped
