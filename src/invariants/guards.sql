-- What the database itself enforces on the given tables, for old rows and new ones: constraints,
-- unique indexes, and columns that are not null.
WITH tables AS (
    SELECT c.oid, c.relname::text AS name,
           -- A plain table with children by inheritance: what it does not pass on to them says
           -- nothing about the rows that a SELECT from it returns.
           c.relkind = 'r' AND c.relhassubclass AS has_children
      FROM pg_class AS c
     WHERE c.relnamespace = 'public'::regnamespace
       AND c.relname = ANY ($1)
)
SELECT t.name AS table_name, con.conname::text AS guard,
       pg_get_constraintdef(con.oid) AS definition
  FROM pg_constraint AS con
  JOIN tables AS t ON t.oid = con.conrelid
 WHERE con.convalidated
   -- A column of PostgreSQL 18, asked for in a way that older servers understand.
   AND coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true)
   AND NOT (t.has_children AND con.connoinherit)
   AND (con.contype NOT IN ('p', 'u', 'x') OR EXISTS (
           SELECT FROM pg_index AS i
            WHERE i.indexrelid = con.conindid AND i.indisvalid AND i.indisready AND i.indislive
       ))
   AND NOT EXISTS (
           SELECT FROM pg_trigger AS tg
            WHERE tg.tgconstraint = con.oid AND tg.tgenabled NOT IN ('O', 'A')
       )
UNION ALL
SELECT t.name, ic.relname::text, pg_get_indexdef(i.indexrelid)
  FROM pg_index AS i
  JOIN tables AS t ON t.oid = i.indrelid
  JOIN pg_class AS ic ON ic.oid = i.indexrelid
 WHERE i.indisunique AND i.indisvalid AND i.indisready AND i.indislive
   AND NOT t.has_children
   -- Those of constraints have been listed as such.
   AND NOT EXISTS (
           SELECT FROM pg_constraint AS con
            WHERE con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
       )
UNION ALL
SELECT t.name, a.attname || ' not null', 'NOT NULL'
  FROM pg_attribute AS a
  JOIN tables AS t ON t.oid = a.attrelid
 WHERE a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped
   AND NOT t.has_children
   -- PostgreSQL 18 has NOT NULL constraints that are not valid yet.
   AND NOT EXISTS (
           SELECT FROM pg_constraint AS con
            WHERE con.conrelid = a.attrelid AND con.contype = 'n'
              AND con.conkey = ARRAY[a.attnum] AND NOT con.convalidated
       )
