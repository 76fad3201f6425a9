-- The definition of every object outside of the server's own schemas, line by line, for a hash.
-- search_path must be pg_catalog, so that every other name is printed with its schema. Left out:
-- what changes while a gateway works (sequence values, statistics, sizes), and our own records.
WITH spaces AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
      FROM pg_namespace AS n
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
relations AS (
    SELECT c.*, format('%s %I.%I',
                       CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                                      WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                                      WHEN 'c' THEN 'type' ELSE 'table' END,
                       s.nspname, c.relname) AS object
      FROM pg_class AS c
      JOIN spaces AS s ON s.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
       AND c.relname <> ALL ($1)
),
lines (object, line) AS (
    SELECT format('schema %I', s.nspname),
           concat_ws('|', s.nspowner::regrole, s.nspacl)
      FROM spaces AS s
    UNION ALL
    SELECT r.object, concat_ws('|', r.relkind, r.relpersistence, r.relowner::regrole, r.relacl,
                               r.reloptions, r.relrowsecurity, r.relforcerowsecurity,
                               r.relreplident, r.reltablespace, a.amname,
                               pg_get_expr(r.relpartbound, r.oid), pg_get_partkeydef(r.oid),
                               (SELECT string_agg(h.inhparent::regclass::text, ',' ORDER BY h.inhseqno)
                                  FROM pg_inherits AS h WHERE h.inhrelid = r.oid))
      FROM relations AS r
      LEFT JOIN pg_am AS a ON a.oid = r.relam
    UNION ALL
    SELECT r.object, concat_ws('|', 'column', to_char(a.attnum, '0000'), a.attname,
                               format_type(a.atttypid, a.atttypmod), a.attnotnull,
                               a.attcollation::regcollation, a.attidentity, a.attgenerated,
                               a.attstorage, a.attcompression, a.attacl, a.attoptions,
                               pg_get_expr(d.adbin, d.adrelid))
      FROM relations AS r
      JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    UNION ALL
    SELECT r.object, concat_ws('|', 'constraint', k.conname, pg_get_constraintdef(k.oid),
                               k.convalidated)
      FROM relations AS r
      JOIN pg_constraint AS k ON k.conrelid = r.oid
    UNION ALL
    SELECT r.object, concat_ws('|', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid,
                               i.indisclustered, i.indisreplident)
      FROM relations AS r
      JOIN pg_index AS i ON i.indrelid = r.oid
    UNION ALL
    SELECT r.object, concat_ws('|', 'trigger', pg_get_triggerdef(g.oid), g.tgenabled)
      FROM relations AS r
      JOIN pg_trigger AS g ON g.tgrelid = r.oid AND NOT g.tgisinternal
    UNION ALL
    SELECT r.object, concat_ws('|', 'rule', pg_get_ruledef(w.oid), w.ev_enabled)
      FROM relations AS r
      JOIN pg_rewrite AS w ON w.ev_class = r.oid
    UNION ALL
    SELECT r.object, concat_ws('|', 'policy', p.polname, p.polcmd, p.polpermissive,
                               p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
                               pg_get_expr(p.polwithcheck, p.polrelid))
      FROM relations AS r
      JOIN pg_policy AS p ON p.polrelid = r.oid
    UNION ALL
    SELECT r.object, concat_ws('|', 'statistics', pg_get_statisticsobjdef(e.oid))
      FROM relations AS r
      JOIN pg_statistic_ext AS e ON e.stxrelid = r.oid
    UNION ALL
    SELECT r.object, concat_ws('|', 'sequence', format_type(q.seqtypid, NULL), q.seqstart,
                               q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle)
      FROM relations AS r
      JOIN pg_sequence AS q ON q.seqrelid = r.oid
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure,
           concat_ws('|', p.prokind, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                     l.lanname, p.provolatile, p.prosecdef, p.proisstrict, p.proleakproof,
                     p.proparallel, p.proconfig, p.proowner::regrole, p.proacl, p.prosrc,
                     pg_get_function_sqlbody(p.oid))
      FROM pg_proc AS p
      JOIN spaces AS s ON s.oid = p.pronamespace
      JOIN pg_language AS l ON l.oid = p.prolang
    UNION ALL
    SELECT 'type ' || t.oid::regtype,
           concat_ws('|', t.typtype, t.typowner::regrole, t.typacl, t.typnotnull, t.typdefault,
                     format_type(t.typbasetype, t.typtypmod),
                     (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                        FROM pg_enum AS e WHERE e.enumtypid = t.oid),
                     (SELECT string_agg(k.conname || ' ' || pg_get_constraintdef(k.oid), ','
                                        ORDER BY k.conname)
                        FROM pg_constraint AS k WHERE k.contypid = t.oid))
      FROM pg_type AS t
      JOIN spaces AS s ON s.oid = t.typnamespace
     WHERE t.typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT format('extension %I', e.extname), e.extversion
      FROM pg_extension AS e
    UNION ALL
    SELECT format('publication %I', p.pubname),
           concat_ws('|', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
                     (SELECT string_agg(r.prrelid::regclass::text, ',' ORDER BY r.prrelid::regclass::text)
                        FROM pg_publication_rel AS r WHERE r.prpubid = p.oid))
      FROM pg_publication AS p
)
SELECT object, coalesce(line, '')
  FROM lines
 ORDER BY object COLLATE "C", line COLLATE "C"
