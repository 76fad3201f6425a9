-- title: our names mean our tables and functions, wherever they are asked for
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a copy of a table in a schema that comes first in the search path gets the writes of whoever
--   does not say public. A function in public with one of our names and other arguments gets the
--   calls that fit it better: add_user_credits with a whole number, if it takes an integer. It is
--   made by a tool, by mistake, or to divert credits.
-- remedy: see what it holds: SELECT * FROM <schema>.<name>, or what it does: \sf <function>. Book
--   what was diverted, then DROP it, and REVOKE CREATE on public, and on schemas that are searched
--   before it.
-- canary: {"pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3, "relkind": "v", "relowner": 10}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- Searched before public are temporary schemas, those named like a role, and those that a role,
-- this database or the server has in its search_path, in front of public or without it. A name in
-- any other schema is harmless. Our names in public that are no tables, or that belong to somebody
-- else, count as well, and our functions with other arguments than any schema version gave them.
-- What our own ones do is "creditdb drift".
WITH ours (name) AS (
    VALUES ('user_credits'), ('credit_transactions'), ('credit_packages'),
           ('power_level_configs'), ('user_provider_keys'), ('llm_usage_log'),
           ('schema_version'), ('refinery_schema_history'), ('add_user_credits'),
           ('debit_user_credits'), ('get_quota_usage_percentage'), ('record_llm_request')
), signatures (name, arguments) AS (
    VALUES ('add_user_credits', 'uuid, numeric, text, text, text'),
           ('debit_user_credits', 'uuid, numeric, text, text, text'),
           ('get_quota_usage_percentage', 'uuid'),
           ('record_llm_request', 'uuid, text, text, text, text, bigint, bigint, numeric, integer, '
                                  'bigint, boolean, text, boolean, jsonb, text')
), paths (path) AS (
    SELECT s.reset_val FROM pg_catalog.pg_settings AS s WHERE s.name = 'search_path'
    UNION ALL
    SELECT substr(c.setting, 13)
      FROM pg_catalog.pg_db_role_setting AS r
     CROSS JOIN LATERAL unnest(r.setconfig) AS c (setting)
     WHERE c.setting LIKE 'search_path=%'
       AND r.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d
                                  WHERE d.datname = current_database()))
), split (path, public_at) AS (
    SELECT s.names, coalesce(array_position(s.names, 'public'), cardinality(s.names) + 1)
      FROM paths AS p
     CROSS JOIN LATERAL regexp_split_to_array(btrim(replace(p.path, '"', '')), '\s*,\s*')
           AS s (names)
), searched AS (
    SELECT n.oid, n.nspname
      FROM pg_catalog.pg_namespace AS n
     WHERE n.nspname NOT IN ('public', 'pg_catalog')
       AND (n.nspname ~ '^pg_temp_'
            OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = n.nspname)
            OR EXISTS (SELECT FROM split AS f
                        WHERE n.nspname = ANY (f.path[:f.public_at - 1])))
), strangers AS (
    SELECT s.nspname, c.relname AS name, '' AS arguments, 'shadow' AS cause, c.relowner AS owner
      FROM pg_catalog.pg_class AS c JOIN searched AS s ON s.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT s.nspname, f.proname, '', 'shadow', f.proowner
      FROM pg_catalog.pg_proc AS f JOIN searched AS s ON s.oid = f.pronamespace
    UNION ALL
    SELECT 'public', f.proname, format('(%s)', a.arguments), 'overload', f.proowner
      FROM pg_catalog.pg_proc AS f
     CROSS JOIN LATERAL oidvectortypes(f.proargtypes) AS a (arguments)
     WHERE f.pronamespace = 'public'::regnamespace
       AND (f.proname, a.arguments) NOT IN (SELECT s.name, s.arguments FROM signatures AS s)
    UNION ALL
    SELECT 'public', c.relname, '', CASE WHEN c.relkind IN ('r', 'p') THEN 'other-owner'
                                     ELSE 'not-a-table' END, c.relowner
      FROM pg_catalog.pg_class AS c
     WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND (c.relkind NOT IN ('r', 'p')
            OR c.relowner <> (SELECT v.relowner FROM pg_catalog.pg_class AS v
                               WHERE v.oid = to_regclass('public.schema_version')))
)
SELECT format('%I.%I%s', t.nspname, t.name, t.arguments) AS subject,
       CASE t.cause WHEN 'shadow' THEN 'nothing of this name'
                    WHEN 'overload' THEN 'no second function of this name'
                    WHEN 'not-a-table' THEN 'a table'
                    ELSE 'the owner of schema_version' END AS expected,
       CASE t.cause WHEN 'shadow' THEN 'found before public'
                    WHEN 'overload' THEN 'one with other arguments'
                    WHEN 'not-a-table' THEN 'something else'
                    ELSE 'another owner' END AS actual,
       NULL::numeric AS difference,
       t.cause AS cause,
       'owned by ' || pg_get_userbyid(t.owner) AS detail
  FROM strangers AS t
 WHERE t.name IN (SELECT o.name FROM ours AS o);
