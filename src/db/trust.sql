-- What stands where creditdb keeps its records ($NAMES, as the server resolves them), whose it is,
-- and what would run when somebody uses it.
WITH RECURSIVE mine (role) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user)
    UNION
    -- Not what superusers have without a grant; nor, up to 14, what a role gave of itself without
    -- asking whom it gave it to.
    SELECT given.roleid
      FROM pg_catalog.pg_auth_members AS given
      JOIN mine ON mine.role = given.member
     WHERE given.grantor <> given.roleid
)
SELECT named.at,
       pg_catalog.format('%I.%I', n.nspname, c.relname),
       CASE c.relkind WHEN 'p' THEN 'partitioned table' ELSE it.type END,
       pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)),
       pg_catalog.quote_ident(current_user),
       pg_catalog.quote_ident(n.nspname),
       c.relowner IN (SELECT role FROM mine)
           -- Superusers are members of everybody. Who owns schema or database can put another
           -- table into the place of each of theirs anyway.
           OR pg_catalog.pg_has_role(c.relowner, n.nspowner, 'MEMBER')
           OR pg_catalog.pg_has_role(c.relowner, d.datdba, 'MEMBER')
           -- Who may create nothing here was given it, as adopt does, and can put nothing else in
           -- its place. What he could have attached to it must not be there.
           OR NOT (pg_catalog.has_schema_privilege(c.relowner, n.oid, 'CREATE')
                   OR EXISTS (SELECT FROM pg_catalog.pg_constraint
                               WHERE conrelid = c.oid AND contype = 'c')
                   OR EXISTS (SELECT FROM pg_catalog.pg_attrdef
                               WHERE adrelid = c.oid AND pg_catalog.pg_get_expr(adbin, adrelid)
                                     NOT IN ('SESSION_USER', 'clock_timestamp()'))
                   OR EXISTS (SELECT FROM pg_catalog.pg_index
                               WHERE indrelid = c.oid
                                 AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
                   OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                                JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
                               WHERE a.attrelid = c.oid AND a.attnum > 0
                                 AND t.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace)),
       pg_catalog.row_security_active(c.oid),
       -- The functions of other types are anybody's, a cast to text among them.
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute AS a
             JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attnum > 0
              AND t.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace),
       coalesce(
           (SELECT pg_catalog.format('TRIGGER %I', tgname)
              FROM pg_catalog.pg_trigger
             WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D'
             ORDER BY tgname LIMIT 1),
           (SELECT pg_catalog.format('RULE %I', rulename)
              FROM pg_catalog.pg_rewrite
             WHERE ev_class = c.oid AND ev_enabled <> 'D'
             ORDER BY rulename LIMIT 1))
  FROM pg_catalog.unnest(ARRAY[$NAMES]::text[]) WITH ORDINALITY AS named (name, at)
 CROSS JOIN LATERAL pg_catalog.to_regclass(named.name) AS relation
 -- A relation that is younger than the snapshot has a name, and no row.
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = relation
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
  LEFT JOIN LATERAL pg_catalog.pg_identify_object(
           'pg_catalog.pg_class'::pg_catalog.regclass, relation, 0) AS it ON true
 WHERE relation IS NOT NULL
 ORDER BY named.at
