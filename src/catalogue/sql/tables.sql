-- Tables, foreign tables, views and materialized views. $1: oids in scope.
SELECT CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END AS kind, NULL AS "table",
       c.oid::regclass::text AS name, pg_get_userbyid(c.relowner)::text AS owner,
       'pg_class' AS class, c.oid, 0 AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'form', CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign'
                                  WHEN 'm' THEN 'materialized' END,
           'persistence', CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
           'options', (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) AS o),
           'row security', nullif(concat_ws(', ',
               CASE WHEN c.relrowsecurity THEN 'enabled' END,
               CASE WHEN c.relforcerowsecurity THEN 'forced' END), ''),
           'partition by', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
           'inherits', (SELECT string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno)
                          FROM pg_inherits AS h WHERE h.inhrelid = c.oid),
           'replica identity', CASE WHEN c.relkind IN ('r', 'p')
               THEN CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full'
                                        WHEN 'i' THEN 'index' END END,
           'server', (SELECT quote_ident(s.srvname)
                        FROM pg_foreign_table AS f
                        JOIN pg_foreign_server AS s ON s.oid = f.ftserver
                       WHERE f.ftrelid = c.oid),
           'definition', CASE WHEN c.relkind IN ('v', 'm')
               THEN rtrim(pg_get_viewdef(c.oid), ';') END))::text AS properties
  FROM pg_class AS c
 WHERE c.oid = ANY ($1) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
