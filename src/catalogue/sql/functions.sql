-- Functions, procedures and aggregates. $1: schemas (NULL: all but the system's). The reader cleans
-- up the white space of the bodies.
SELECT 'function' AS kind, NULL AS "table", p.oid::regprocedure::text AS name,
       pg_get_userbyid(p.proowner)::text AS owner, 'pg_proc' AS class, p.oid, 0 AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'form', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
                                  WHEN 'w' THEN 'window' END,
           'arguments', pg_get_function_arguments(p.oid),
           'result', pg_get_function_result(p.oid),
           'language', l.lanname,
           'volatility', CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable'
                                            ELSE 'volatile' END,
           'security', CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END,
           'strict', CASE WHEN p.proisstrict THEN 'yes' END,
           'parallel', CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END,
           'leakproof', CASE WHEN p.proleakproof THEN 'yes' END,
           -- A path that was set under quote_all_identifiers is stored with quotes it can do without.
           'settings', (SELECT string_agg(coalesce(plain, s), E'\n' ORDER BY s)
                          FROM unnest(p.proconfig) AS s, LATERAL (
                               SELECT 'search_path=' || string_agg(quote_ident(
                                          CASE WHEN word LIKE '"%' THEN
                                               replace(substr(word, 2, length(word) - 2), '""', '"')
                                          ELSE word END), ', ' ORDER BY at) AS plain
                                 FROM regexp_matches(substr(s, length('search_path=') + 1),
                                                     '"(?:[^"]|"")*"|[^", ]+', 'g')
                                      WITH ORDINALITY AS m (words, at), unnest(m.words) AS word
                                WHERE s LIKE 'search\_path=%') AS path),
           'cost', CASE WHEN p.procost <> CASE WHEN l.lanname IN ('c', 'internal')
                                               THEN 1 ELSE 100 END THEN p.procost::text END,
           'rows', CASE WHEN p.proretset AND p.prorows <> 1000 THEN p.prorows::text END,
           'library', p.probin,
           'state', CASE WHEN p.prokind = 'a' THEN
               (SELECT concat_ws(', ', format('SFUNC = %s', g.aggtransfn),
                                 format('STYPE = %s', format_type(g.aggtranstype, NULL)),
                                 'FINALFUNC = ' || nullif(g.aggfinalfn::oid, 0)::regproc,
                                 'INITCOND = ' || quote_literal(g.agginitval))
                  FROM pg_aggregate AS g WHERE g.aggfnoid = p.oid) END,
           'body', CASE WHEN p.prokind <> 'a' AND p.prosqlbody IS NULL THEN p.prosrc END,
           'sql body', pg_get_function_sqlbody(p.oid)))::text AS properties
  FROM pg_proc AS p
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
  JOIN pg_language AS l ON l.oid = p.prolang
 WHERE (n.nspname = ANY ($1)
        OR $1 IS NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
