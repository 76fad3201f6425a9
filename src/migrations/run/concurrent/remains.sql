-- Invalid indexes in the scope of a REINDEX: of one index ($1), of a table ($2), of a schema ($3),
-- or of all of the database (all three NULL). The second column tells the transient indexes of a
-- REINDEX CONCURRENTLY that did not come to its end, the third the index $1 and its parts. Those of
-- TOAST tables cannot be dropped by the owner of the table.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
       c.relname ~ '_cc(new|old)[0-9]*$',
       $1::text IS NOT NULL AND (
           i.indexrelid = pg_catalog.to_regclass($1)
           OR i.indexrelid IN (
                  SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1))))
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid
   AND c.relkind = 'i'
   AND n.nspname <> 'pg_toast'
   AND ($1::text IS NULL OR i.indrelid IN (
            SELECT x.indrelid
              FROM pg_catalog.pg_index AS x
             WHERE x.indexrelid = pg_catalog.to_regclass($1)
                OR x.indexrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)))))
   AND ($2::text IS NULL
        -- A table that has nothing to do with partitions is not in its own tree.
        OR i.indrelid = pg_catalog.to_regclass($2)
        OR i.indrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($2))))
   AND ($3::text IS NULL OR n.nspname = (SELECT name[1] FROM pg_catalog.parse_ident($3) AS name))
 ORDER BY 1
