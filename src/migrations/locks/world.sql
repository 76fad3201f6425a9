-- What the lock table asks of a catalogue, as one JSON document. Reads pg_catalog only, so any role
-- may run it; sizes need no privilege on the tables.
WITH spaces AS (
    SELECT n.oid, n.nspname
      FROM pg_catalog.pg_namespace AS n
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
relations AS (
    SELECT c.*, s.nspname
      FROM pg_catalog.pg_class AS c
      JOIN spaces AS s ON s.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S', 'i', 'I', 'c')
)
SELECT pg_catalog.json_build_object(
    'major', pg_catalog.current_setting('server_version_num')::int / 10000,
    'path', pg_catalog.array_to_json(pg_catalog.current_schemas(false)),
    'relations', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'oid', c.oid::bigint,
            'schema', c.nspname,
            'name', c.relname,
            'kind', c.relkind,
            -- The rows of a partitioned table are those of its partitions; after an ANALYZE it has
            -- their sum, and -1 pages.
            'tuples', CASE WHEN c.relkind = 'p' THEN 0 ELSE c.reltuples END,
            'pages', greatest(c.relpages, 0),
            'bytes', CASE WHEN c.relkind IN ('r', 'm', 'i', 'S')
                          THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) ELSE 0 END,
            'unlogged', c.relpersistence = 'u',
            'tablespace', coalesce((SELECT t.spcname FROM pg_catalog.pg_tablespace AS t
                                     WHERE t.oid = c.reltablespace), ''),
            'method', coalesce((SELECT a.amname FROM pg_catalog.pg_am AS a
                                 WHERE a.oid = c.relam), ''),
            -- That of a partition of a partitioned table that is its DEFAULT.
            'is_default', coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', false)
        ) ORDER BY c.oid), '[]')
          FROM relations AS c),
    'columns', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'relation', a.attrelid::bigint,
            'name', a.attname,
            'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'not_null', a.attnotnull,
            -- Only one that is not the type's own.
            'collation', coalesce((SELECT o.collname FROM pg_catalog.pg_collation AS o
                                     JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
                                    WHERE o.oid = a.attcollation
                                      AND o.oid <> t.typcollation), ''),
            'stored', a.attgenerated = 's'
        ) ORDER BY a.attrelid, a.attnum), '[]')
          FROM pg_catalog.pg_attribute AS a
          JOIN relations AS c ON c.oid = a.attrelid
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'S')),
    'constraints', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'relation', k.conrelid::bigint,
            'name', k.conname,
            'kind', k.contype,
            'valid', k.convalidated,
            -- Since 18 a constraint may be there and not be asked.
            'enforced', coalesce(
                (pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true),
            -- In the order in which those of a foreign key belong together.
            'columns', (SELECT pg_catalog.array_agg(
                                   a.attname::text
                                   ORDER BY pg_catalog.array_position(k.conkey, a.attnum))
                          FROM pg_catalog.pg_attribute AS a
                         WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)),
            'target', nullif(k.confrelid::bigint, 0),
            'target_columns', (SELECT pg_catalog.array_agg(
                                   a.attname::text
                                   ORDER BY pg_catalog.array_position(k.confkey, a.attnum))
                          FROM pg_catalog.pg_attribute AS a
                         WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)),
            'expression', pg_catalog.pg_get_expr(k.conbin, k.conrelid)
        ) ORDER BY k.oid), '[]')
          FROM pg_catalog.pg_constraint AS k
          JOIN relations AS c ON c.oid = k.conrelid),
    'indexes', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'index', i.indexrelid::bigint,
            'relation', i.indrelid::bigint,
            'columns', (SELECT pg_catalog.array_agg(a.attname::text)
                          FROM pg_catalog.pg_attribute AS a
                         WHERE a.attrelid = i.indrelid
                           AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])),
            'mentions', (SELECT pg_catalog.array_agg(a.attname::text)
                           FROM pg_catalog.pg_attribute AS a
                          WHERE a.attrelid = i.indrelid
                            AND (a.attnum = ANY (i.indkey::int2[])
                                 OR a.attnum IN (
                                  SELECT d.refobjsubid
                                    FROM pg_catalog.pg_depend AS d
                                   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                     AND d.objid = i.indexrelid
                                     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                     AND d.refobjid = i.indrelid))),
            'exact', i.indexprs IS NULL AND i.indpred IS NULL
        ) ORDER BY i.indexrelid), '[]')
          FROM pg_catalog.pg_index AS i
          JOIN relations AS c ON c.oid = i.indrelid),
    'children', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
            h.inhparent::bigint, h.inhrelid::bigint) ORDER BY h.inhparent, h.inhrelid), '[]')
          FROM pg_catalog.pg_inherits AS h
          JOIN relations AS c ON c.oid = h.inhrelid),
    -- Which relations a view reads.
    'reads', (
        SELECT coalesce(pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
            r.ev_class::bigint, d.refobjid::bigint)), '[]')
          FROM pg_catalog.pg_rewrite AS r
          JOIN relations AS c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm')
          JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
           AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.refobjid <> r.ev_class),
    'domains', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'schema', s.nspname,
            'name', t.typname,
            'base', pg_catalog.format_type(t.typbasetype, t.typtypmod),
            'constrained', t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
                                                    WHERE k.contypid = t.oid),
            'default', t.typdefault
        )), '[]')
          FROM pg_catalog.pg_type AS t
          JOIN spaces AS s ON s.oid = t.typnamespace
         WHERE t.typtype = 'd'),
    -- Triggers by which a change of rows calls functions.
    'triggers', (
        SELECT coalesce(pg_catalog.json_agg(DISTINCT g.tgrelid::bigint), '[]')
          FROM pg_catalog.pg_trigger AS g
          JOIN relations AS c ON c.oid = g.tgrelid
         WHERE NOT g.tgisinternal),
    'sequence_owners', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
            d.objid::bigint, d.refobjid::bigint)), '[]')
          FROM pg_catalog.pg_depend AS d
          JOIN relations AS c ON c.oid = d.objid AND c.relkind = 'S'
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.deptype IN ('a', 'i')),
    'statistics', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
            s.nspname, e.stxname, e.stxrelid::bigint)), '[]')
          FROM pg_catalog.pg_statistic_ext AS e
          JOIN spaces AS s ON s.oid = e.stxnamespace),
    'volatile', (
        SELECT pg_catalog.json_agg(DISTINCT p.proname)
          FROM pg_catalog.pg_proc AS p
         WHERE p.provolatile = 'v' AND p.prokind = 'f'),
    'functions', (
        SELECT coalesce(pg_catalog.json_agg(DISTINCT p.proname), '[]')
          FROM pg_catalog.pg_proc AS p
          JOIN spaces AS s ON s.oid = p.pronamespace)
)::text
