-- What is missing, in words, and the next step. $1 and $2: kinds and names of objects; $3: the
-- quoted schema of the history. What does not exist yet needs nothing.
WITH needs AS (
    SELECT DISTINCT kind, name FROM unnest($1::text[], $2::text[]) AS n (kind, name)
),
relations AS (
    SELECT kind, c.oid, c.oid::regclass::text AS name, c.relowner, c.relkind
      FROM needs JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(name)
     WHERE kind IN ('owner', 'references', 'history', 'log')
),
functions AS (
    SELECT pg_catalog.parse_ident(name) AS parts FROM needs WHERE kind = 'function'
),
missing (place, object, words, step) AS (
    SELECT 1, name, pg_catalog.format('%s: only its owner, %s, may change or drop it', name, relowner::regrole),
           pg_catalog.format('connect as the owner, or: GRANT %s TO %I', relowner::regrole, current_user)
      FROM relations
     WHERE kind = 'owner' AND NOT pg_catalog.pg_has_role(relowner, 'USAGE')
    UNION ALL
    SELECT 2, name, pg_catalog.format('%s: REFERENCES is needed for a foreign key', name),
           pg_catalog.format('GRANT REFERENCES ON %s TO %I', name, current_user)
      FROM relations
     WHERE kind = 'references' AND NOT pg_catalog.has_table_privilege(oid, 'REFERENCES')
    UNION ALL
    SELECT 3, name, pg_catalog.format('%s: %s is needed to record what is applied', name, privilege),
           pg_catalog.format('GRANT %s ON %s TO %I', privilege, name, current_user)
      FROM relations, (VALUES ('SELECT'), ('INSERT')) AS p (privilege)
     WHERE kind IN ('history', 'log') AND NOT pg_catalog.has_table_privilege(oid, privilege)
    UNION ALL
    SELECT 4, p.oid::regprocedure::text,
           pg_catalog.format('function %s: only its owner, %s, may replace it', p.oid::regprocedure, p.proowner::regrole),
           pg_catalog.format('connect as the owner, or: GRANT %s TO %I', p.proowner::regrole, current_user)
      FROM functions AS f
      JOIN pg_catalog.pg_proc AS p
           ON p.proname = f.parts[pg_catalog.cardinality(f.parts)]
          -- A name without a schema is looked up on the search path.
          AND CASE pg_catalog.cardinality(f.parts)
                   WHEN 1 THEN pg_catalog.pg_function_is_visible(p.oid)
                   ELSE p.pronamespace = pg_catalog.to_regnamespace(
                                             pg_catalog.quote_ident(f.parts[1])) END
     WHERE p.pronamespace <> 'pg_catalog'::regnamespace
       AND NOT pg_catalog.pg_has_role(p.proowner, 'USAGE')
    UNION ALL
    SELECT DISTINCT 5, n.nspname::text, pg_catalog.format('schema %I: CREATE is needed for new objects', n.nspname),
           pg_catalog.format('GRANT CREATE ON SCHEMA %I TO %I', n.nspname, current_user)
      FROM needs
      JOIN pg_catalog.pg_namespace AS n
           ON n.nspname = CASE WHEN name = '' THEN pg_catalog.current_schema() ELSE name END
     WHERE kind = 'create' AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')
    UNION ALL
    -- The tables beside the migrations are made by us.
    SELECT DISTINCT 6, $3::text, pg_catalog.format('schema %s: CREATE is needed for the history', $3::text),
           pg_catalog.format('GRANT CREATE ON SCHEMA %s TO %I', $3::text, current_user)
      FROM needs
     WHERE kind IN ('history', 'log') AND pg_catalog.to_regclass(name) IS NULL
       AND NOT pg_catalog.has_schema_privilege((pg_catalog.parse_ident($3))[1], 'CREATE')
    UNION ALL
    SELECT 7, name, pg_catalog.format('role %s: CREATEROLE is needed to make it', name),
           pg_catalog.format('let an administrator run: CREATE ROLE %s NOLOGIN', name)
      FROM needs
     WHERE kind = 'role'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles
                        WHERE rolname = current_user AND (rolcreaterole OR rolsuper))
    UNION ALL
    -- The server asks for it even where IF NOT EXISTS finds the schema.
    SELECT 8, name, pg_catalog.format('database %I: CREATE is needed for schema %s',
                                      pg_catalog.current_database(), name),
           pg_catalog.format('GRANT CREATE ON DATABASE %I TO %I',
                             pg_catalog.current_database(), current_user)
      FROM needs
     WHERE kind = 'schema'
       AND NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
)
SELECT words, step FROM missing GROUP BY place, object, words, step ORDER BY place, object
