-- The relations that the other statements of this folder describe, as oids. $1 names the schemas
-- (NULL: all but the system's), $2 the tables that are nobody's business but the engine's.
-- Left out: members of extensions, and partitions, which follow their parent and come and go with
-- the data. A table that inherits from these schemas is described wherever it is, because its rows
-- appear in queries of its parent; those of a temporary table do so in its own session only.
-- search_path must be pg_catalog for all of these statements, so that every other name is printed
-- with its schema.
WITH depends AS (
    SELECT d.objid, d.deptype, o.relname
      FROM pg_depend AS d
      LEFT JOIN pg_class AS o
             ON d.refclassid = 'pg_class'::regclass AND o.oid = d.refobjid
     WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'e', 'i')
)
SELECT c.oid
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE (n.nspname = ANY ($1)
        OR $1 IS NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        OR c.relpersistence <> 't'
           AND EXISTS (SELECT
                         FROM pg_inherits AS h
                         JOIN pg_class AS p ON p.oid = h.inhparent
                         JOIN pg_namespace AS m ON m.oid = p.relnamespace
                        WHERE h.inhrelid = c.oid AND m.nspname = ANY ($1)))
   AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
   AND NOT c.relispartition
   AND c.relname <> ALL ($2)
   AND NOT EXISTS (SELECT FROM depends AS d
                    WHERE d.objid = c.oid AND (d.deptype = 'e' OR d.relname = ANY ($2)))
