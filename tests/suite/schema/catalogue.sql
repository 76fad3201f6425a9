-- The catalogue of the schema public as lines of text, for people to read and for a snapshot to
-- compare. search_path must be pg_catalog, so that every other name is printed with its schema.
-- Owners are left out, and so are their privileges. NOT NULL is told with the column: only some
-- majors know it as a constraint.
WITH tables AS (
    SELECT c.oid, c.oid::regclass::text AS name, c.reloptions
      FROM pg_class AS c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND c.relname NOT IN ('refinery_schema_history', 'creditdb_migration_log')
),
comments AS (
    SELECT classoid, objoid, objsubid,
           ' -- ' || replace(description, E'\n', E'\n        -- ') AS text
      FROM pg_description
),
-- section, object, part and position sort the lines.
lines (section, object, part, position, line) AS (
    SELECT 1, t.name, 0, '', 'table ' || t.name
           || coalesce(' with (' || array_to_string(t.reloptions, ', ') || ')', '')
           || coalesce(m.text, '')
      FROM tables AS t
      LEFT JOIN comments AS m
             ON (m.classoid, m.objoid, m.objsubid) = ('pg_class'::regclass, t.oid, 0)
    UNION ALL
    SELECT 1, t.name, 1, to_char(a.attnum, '0000'),
           '  column ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
           || coalesce(CASE a.attgenerated WHEN '' THEN ' default ' ELSE ' generated ' END
                       || pg_get_expr(d.adbin, d.adrelid), '')
           || CASE WHEN a.attidentity <> '' THEN ' identity' ELSE '' END
           || coalesce(m.text, '')
      FROM tables AS t
      JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
      LEFT JOIN comments AS m
             ON (m.classoid, m.objoid, m.objsubid) = ('pg_class'::regclass, t.oid, a.attnum)
    UNION ALL
    SELECT 1, t.name, 2, k.conname, '  constraint ' || k.conname || ' '
           || pg_get_constraintdef(k.oid) || coalesce(m.text, '')
      FROM tables AS t
      JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype <> 'n'
      LEFT JOIN comments AS m ON (m.classoid, m.objoid) = ('pg_constraint'::regclass, k.oid)
    UNION ALL
    -- Those of constraints too: the name of an index and that of its constraint are one.
    SELECT 1, t.name, 3, c.relname, '  index ' || pg_get_indexdef(i.indexrelid)
           || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END || coalesce(m.text, '')
      FROM tables AS t
      JOIN pg_index AS i ON i.indrelid = t.oid
      JOIN pg_class AS c ON c.oid = i.indexrelid
      LEFT JOIN comments AS m ON (m.classoid, m.objoid) = ('pg_class'::regclass, c.oid)
    UNION ALL
    SELECT 1, t.name, 4, g.tgname, '  trigger ' || pg_get_triggerdef(g.oid)
           || CASE g.tgenabled WHEN 'D' THEN ' DISABLED' ELSE '' END || coalesce(m.text, '')
      FROM tables AS t
      JOIN pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal
      LEFT JOIN comments AS m ON (m.classoid, m.objoid) = ('pg_trigger'::regclass, g.oid)
    UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 2 ELSE 1 END, c.oid::regclass::text, 5,
           pg_get_userbyid(a.grantee), '  grant '
           || string_agg(lower(a.privilege_type), ', ' ORDER BY a.privilege_type) || ' to '
           || CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END
      FROM pg_class AS c
     CROSS JOIN LATERAL aclexplode(c.relacl) AS a
     WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner
       AND c.relname NOT IN ('refinery_schema_history', 'creditdb_migration_log')
     GROUP BY c.relkind, c.oid, a.grantee
    UNION ALL
    SELECT 2, s.seqrelid::regclass::text, 0, '',
           'sequence ' || s.seqrelid::regclass || ' ' || format_type(s.seqtypid, NULL)
           || format(' start %s increment %s min %s max %s cache %s', s.seqstart, s.seqincrement,
                     s.seqmin, s.seqmax, s.seqcache)
           || CASE WHEN s.seqcycle THEN ' cycle' ELSE '' END
           || coalesce(' owned by ' || o.refobjid::regclass || '.' || a.attname, '')
           || coalesce(m.text, '')
      FROM pg_sequence AS s
      JOIN pg_class AS c ON c.oid = s.seqrelid AND c.relnamespace = 'public'::regnamespace
            AND c.relname <> 'creditdb_migration_log_id_seq'
      LEFT JOIN pg_depend AS o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid
            AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i')
      LEFT JOIN pg_attribute AS a ON (a.attrelid, a.attnum) = (o.refobjid, o.refobjsubid)
      LEFT JOIN comments AS m ON (m.classoid, m.objoid) = ('pg_class'::regclass, c.oid)
    UNION ALL
    -- The body is in the migration; its hash tells whether it is still the same.
    SELECT 3, p.oid::regprocedure::text, 0, '',
           'function public.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ') returns '
           || pg_get_function_result(p.oid) || ' language ' || l.lanname
           || CASE p.provolatile WHEN 'i' THEN ' immutable' WHEN 's' THEN ' stable' ELSE ' volatile' END
           || CASE WHEN p.prosecdef THEN ' security definer' ELSE ' security invoker' END
           || CASE WHEN p.proisstrict THEN ' strict' ELSE '' END
           || CASE p.proparallel WHEN 'u' THEN '' ELSE ' parallel ' || p.proparallel::text END
           || CASE WHEN p.proretset THEN ' rows ' || p.prorows ELSE '' END
           || coalesce(' set ' || array_to_string(p.proconfig, ' set '), '')
           || ' body ' || left(encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'), 16)
           || coalesce(m.text, '')
      FROM pg_proc AS p
      JOIN pg_language AS l ON l.oid = p.prolang
      LEFT JOIN comments AS m ON (m.classoid, m.objoid) = ('pg_proc'::regclass, p.oid)
     WHERE p.pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 3, p.oid::regprocedure::text, 1, pg_get_userbyid(a.grantee), '  grant execute to '
           || CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END
      FROM pg_proc AS p
     CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
     WHERE p.pronamespace = 'public'::regnamespace AND a.grantee <> p.proowner
    UNION ALL
    -- Kinds that the lines above do not describe, so that none of them goes unseen.
    SELECT 4, c.oid::regclass::text, 0, '', 'relation ' || c.oid::regclass || ' of kind ' || c.relkind::text
           || coalesce(m.text, '')
      FROM pg_class AS c
      LEFT JOIN comments AS m
             ON (m.classoid, m.objoid, m.objsubid) = ('pg_class'::regclass, c.oid, 0)
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('r', 'p', 'S', 'i', 'I')
)
SELECT line
  FROM lines
 ORDER BY section, object COLLATE "C", part, position COLLATE "C"
