-- Triggers, rules and policies of tables and views. $1: oids in scope.
SELECT 'trigger' AS kind, g.tgrelid::regclass::text AS "table", quote_ident(g.tgname) AS name,
       NULL AS owner, 'pg_trigger' AS class, g.oid, 0 AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', pg_get_triggerdef(g.oid),
           'enabled', CASE g.tgenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica'
                                       WHEN 'A' THEN 'always' END))::text AS properties
  FROM pg_trigger AS g
 WHERE g.tgrelid = ANY ($1) AND NOT g.tgisinternal
UNION ALL
SELECT 'rule', r.ev_class::regclass::text, quote_ident(r.rulename), NULL, 'pg_rewrite', r.oid, 0,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', rtrim(pg_get_ruledef(r.oid), ';'),
           'enabled', CASE r.ev_enabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica'
                                        WHEN 'A' THEN 'always' END))::text
  FROM pg_rewrite AS r
 WHERE r.ev_class = ANY ($1) AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'policy', p.polrelid::regclass::text, quote_ident(p.polname), NULL, 'pg_policy', p.oid, 0,
       jsonb_strip_nulls(jsonb_build_object(
           'form', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
           'command', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert'
                                    WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
           'roles', (SELECT string_agg(CASE r WHEN 0 THEN 'public'
                                              ELSE quote_ident(pg_get_userbyid(r)) END, ', '
                                       ORDER BY pg_get_userbyid(r))
                       FROM unnest(p.polroles) AS r),
           'using', pg_get_expr(p.polqual, p.polrelid),
           'check', pg_get_expr(p.polwithcheck, p.polrelid)))::text
  FROM pg_policy AS p
 WHERE p.polrelid = ANY ($1)
