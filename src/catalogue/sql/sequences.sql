-- Sequences, those behind identity columns too. From PostgreSQL 15 on one can be unlogged; that of
-- an unlogged table follows the table. $1: oids in scope.
SELECT 'sequence' AS kind, NULL AS "table", c.oid::regclass::text AS name,
       pg_get_userbyid(c.relowner)::text AS owner, 'pg_class' AS class, c.oid, 0 AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'type', format_type(s.seqtypid, NULL),
           'start', s.seqstart::text,
           'increment', s.seqincrement::text,
           'minimum', s.seqmin::text,
           'maximum', s.seqmax::text,
           'cache', s.seqcache::text,
           'cycle', CASE WHEN s.seqcycle THEN 'yes' END,
           'persistence', CASE WHEN c.relpersistence = 'u' AND o.relpersistence IS DISTINCT FROM 'u'
                               THEN 'unlogged' END,
           'owned by', CASE WHEN o.deptype = 'a' THEN o.name END,
           'identity of', CASE WHEN o.deptype = 'i' THEN o.name END))::text AS properties
  FROM pg_sequence AS s
  JOIN pg_class AS c ON c.oid = s.seqrelid
  LEFT JOIN LATERAL (
       SELECT d.deptype, t.relpersistence,
              d.refobjid::regclass || '.' || quote_ident(a.attname) AS name
         FROM pg_depend AS d
         JOIN pg_class AS t ON t.oid = d.refobjid
         JOIN pg_attribute AS a ON (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
          AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS o ON true
 WHERE c.oid = ANY ($1)
