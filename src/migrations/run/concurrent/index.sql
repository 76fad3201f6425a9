-- The relation that is named $1, as written, in the schema of table $2.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
       i.indisvalid AND i.indisready,
       i.indrelid = t.oid,
       pg_catalog.pg_get_indexdef(i.indexrelid),
       -- Somebody else's build that is under way looks like a failed one.
       (SELECT min(p.pid)
          FROM pg_catalog.pg_stat_progress_create_index AS p
          JOIN pg_catalog.pg_locks AS l ON l.pid = p.pid AND l.relation = t.oid
         WHERE p.datname = pg_catalog.current_database() AND p.pid <> pg_catalog.pg_backend_pid()
           -- The index is hidden from roles that may not see the other one's session.
           AND coalesce(p.index_relid, i.indexrelid) = i.indexrelid)
  FROM pg_catalog.parse_ident($1) AS name
  JOIN pg_catalog.pg_class AS t ON t.oid = pg_catalog.to_regclass($2)
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
  JOIN pg_catalog.pg_class AS c
       ON c.relnamespace = n.oid AND c.relname = name[cardinality(name)]::name
  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
