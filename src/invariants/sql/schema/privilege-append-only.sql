-- title: nobody but the owner may change or remove entries
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: GRANT ALL is quickly typed. Whoever takes the gateway over, or a clumsy script, can then
--   rewrite the history that proves every balance.
-- remedy: REVOKE UPDATE, DELETE, TRUNCATE ON public.credit_transactions FROM <role>; what a gateway
--   needs is in the role creditdb_gateway from schema 1.3.0 on, before that INSERT and SELECT.
--   Where the detail names pg_write_all_data: REVOKE pg_write_all_data FROM <role>.
-- canary: {"pg_catalog.pg_class": [
--   {"oid": 2, "relname": "credit_transactions", "relnamespace": 3, "relowner": 10,
--    "relacl": ["pg_monitor=w/pg_monitor"]}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- From schema 1.3.0 on a trigger refuses them all the same, so this is the second lock on one door.
-- Privileges on single columns count; those that come with a role are the role's, but for the
-- server's own role pg_write_all_data, whose members are listed: it has no grant that could be
-- taken back. Superusers are not listed.
WITH granted AS (
    SELECT a.grantee, a.privilege_type, 'the whole table' AS comes_with, NULL::text AS column
      FROM pg_catalog.pg_class AS t
     CROSS JOIN LATERAL aclexplode(t.relacl) AS a
     WHERE t.relname = 'credit_transactions' AND a.grantee <> t.relowner
       AND t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
    UNION ALL
    SELECT a.grantee, a.privilege_type, NULL, c.attname::text
      FROM pg_catalog.pg_class AS t
      JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid AND NOT c.attisdropped
     CROSS JOIN LATERAL aclexplode(c.attacl) AS a
     WHERE t.relname = 'credit_transactions' AND a.grantee <> t.relowner
       AND t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
    UNION ALL
    SELECT r.oid, p.privilege_type, 'as a member of pg_write_all_data', NULL
      FROM pg_catalog.pg_auth_members AS m
      JOIN pg_catalog.pg_roles AS r ON r.oid = m.member AND NOT r.rolsuper
     CROSS JOIN (VALUES ('UPDATE'), ('DELETE')) AS p (privilege_type)
     WHERE m.roleid = 'pg_write_all_data'::regrole
       AND r.oid <> (SELECT t.relowner FROM pg_catalog.pg_class AS t
                      WHERE t.oid = to_regclass('public.credit_transactions'))
)
SELECT CASE g.grantee WHEN 0 THEN 'everybody (PUBLIC)'
                      ELSE format('role %I', pg_get_userbyid(g.grantee)) END AS subject,
       'SELECT and INSERT at most'::text AS expected,
       string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type) AS actual,
       NULL::numeric AS difference,
       'may-edit-history'::text AS cause,
       concat_ws('; ', string_agg(DISTINCT g.comes_with, '; ' ORDER BY g.comes_with),
                 'columns ' || string_agg(DISTINCT g.column, ', ' ORDER BY g.column)) AS detail
  FROM granted AS g
 WHERE g.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')
 GROUP BY g.grantee;
