-- Privileges beyond those that an owner has anyway, one a row. $1: relations in scope; of the rest
-- whoever asks picks by address. What an owner lacks is told as "without". Two differences between
-- majors are evened out: MAINTAIN exists since 17, and PUBLIC may CREATE in "public" up to 14.
WITH objects AS (
    SELECT 'pg_class' AS class, c.oid, 0 AS sub, c.relowner AS owner, c.relacl AS acl,
           acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS standard
      FROM pg_class AS c
     WHERE c.oid = ANY ($1)
    UNION ALL
    SELECT 'pg_class', a.attrelid, a.attnum::int, c.relowner, a.attacl, NULL::aclitem[]
      FROM pg_attribute AS a
      JOIN pg_class AS c ON c.oid = a.attrelid
     WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attacl IS NOT NULL
    UNION ALL
    SELECT 'pg_proc', p.oid, 0, p.proowner, p.proacl, acldefault('f', p.proowner)
      FROM pg_proc AS p
     WHERE p.oid >= 16384
    UNION ALL
    SELECT 'pg_type', t.oid, 0, t.typowner, t.typacl, acldefault('T', t.typowner)
      FROM pg_type AS t
     WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'r', 'c')
    UNION ALL
    SELECT 'pg_namespace', n.oid, 0, n.nspowner, n.nspacl, acldefault('n', n.nspowner)
      FROM pg_namespace AS n
     WHERE n.oid >= 16384 OR n.nspname = 'public'
),
held AS (
    SELECT o.class, o.oid, o.sub, o.owner, e.grantee, e.privilege_type, e.is_grantable
      FROM objects AS o
     CROSS JOIN LATERAL aclexplode(coalesce(o.acl, o.standard)) AS e
)
SELECT h.class, h.oid, h.sub,
       CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(h.grantee)) END
           AS grantee,
       h.privilege_type || CASE WHEN h.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
           AS privilege
  FROM held AS h
 WHERE h.grantee <> h.owner
   AND NOT (h.class = 'pg_namespace' AND h.grantee = 0 AND h.privilege_type = 'CREATE'
            AND h.oid = to_regnamespace('public')
            AND current_setting('server_version_num')::int < 150000)
UNION
SELECT o.class, o.oid, o.sub, 'OWNER', 'without ' || e.privilege_type
  FROM objects AS o
 CROSS JOIN LATERAL aclexplode(o.standard) AS e
 WHERE e.grantee = o.owner AND e.privilege_type <> 'MAINTAIN'
   AND NOT EXISTS (SELECT FROM held AS h
                    WHERE (h.class, h.oid, h.sub, h.grantee) = (o.class, o.oid, o.sub, o.owner)
                      AND h.privilege_type = e.privilege_type)
