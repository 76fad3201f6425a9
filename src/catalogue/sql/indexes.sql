-- Indexes, without those of constraints, which are one with them. $1: oids in scope. The definition
-- is what follows the name, so that a renamed index is seen to be the same, and without the ONLY of
-- partitioned tables, with which an index would be made that no partition gets.
SELECT 'index' AS kind, i.indrelid::regclass::text AS "table", i.indexrelid::regclass::text AS name,
       NULL AS owner, 'pg_class' AS class, i.indexrelid AS oid, 0 AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'unique', CASE WHEN i.indisunique THEN 'yes' END,
           'definition', substr(
               pg_get_indexdef(i.indexrelid),
               length(format('CREATE %sINDEX %I ON %s',
                             CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname,
                             CASE c.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END)) + 1),
           'valid', CASE WHEN NOT (i.indisvalid AND i.indisready) THEN 'no' END))::text
           AS properties
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY ($1)
   AND NOT EXISTS (SELECT FROM pg_constraint AS k
                    WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
