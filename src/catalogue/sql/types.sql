-- Enums, domains, composite types and ranges. $1: schemas (NULL: all but the system's).
SELECT 'type' AS kind, NULL AS "table", t.oid::regtype::text AS name,
       pg_get_userbyid(t.typowner)::text AS owner, 'pg_type' AS class, t.oid, 0 AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'form', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range'
                                  ELSE 'composite' END,
           'labels', (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                        FROM pg_enum AS e WHERE e.enumtypid = t.oid),
           'base', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
           'not null', CASE WHEN t.typnotnull THEN 'yes' END,
           'default', CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) END,
           'checks', (SELECT string_agg(format('CONSTRAINT %I %s', k.conname,
                                               pg_get_constraintdef(k.oid)),
                                        E'\n' ORDER BY k.conname)
                        FROM pg_constraint AS k WHERE k.contypid = t.oid AND k.contype = 'c'),
           'attributes', CASE WHEN t.typtype = 'c' THEN
               (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)),
                                  ', ' ORDER BY a.attnum)
                  FROM pg_attribute AS a
                 WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END,
           'subtype', (SELECT format_type(r.rngsubtype, NULL)
                         FROM pg_range AS r WHERE r.rngtypid = t.oid)))::text AS properties
  FROM pg_type AS t
  JOIN pg_namespace AS n ON n.oid = t.typnamespace
  LEFT JOIN pg_class AS c ON c.oid = t.typrelid
 WHERE (n.nspname = ANY ($1)
        OR $1 IS NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
   AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
