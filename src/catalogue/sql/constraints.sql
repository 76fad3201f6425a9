-- Constraints of tables; NOT NULL is in columns.sql. $1: oids in scope. Only PostgreSQL 18 has
-- constraints that are not enforced, hence the way through jsonb. A foreign key to a partitioned
-- table has a copy for each partition, on the referencing table too: copies follow their parent, as
-- all of a partition does. Without its triggers a foreign key, or a deferrable key, checks nothing;
-- those of the copies tell of the rows of the partitions, so they count.
SELECT 'constraint' AS kind, k.conrelid::regclass::text AS "table", quote_ident(k.conname) AS name,
       NULL AS owner, 'pg_constraint' AS class, k.oid, 0 AS sub,
       jsonb_strip_nulls(jsonb_build_object(
           'definition', regexp_replace(pg_get_constraintdef(k.oid),
                                        '( NOT VALID| NOT ENFORCED)+$', ''),
           'enforced', CASE WHEN to_jsonb(k) ->> 'conenforced' = 'false' THEN 'no' END,
           'valid', CASE WHEN NOT k.convalidated
                          AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
                         THEN 'no' END,
           'index valid', CASE WHEN k.contype IN ('p', 'u', 'x')
                                AND NOT (i.indisvalid AND i.indisready) THEN 'no' END,
           'triggers', (WITH RECURSIVE family AS (
                            SELECT k.oid
                            UNION ALL
                            SELECT copy.oid
                              FROM pg_constraint AS copy
                              JOIN family ON copy.conparentid = family.oid
                        )
                        SELECT 'disabled'
                          FROM family
                          JOIN pg_trigger AS g ON g.tgconstraint = family.oid
                         WHERE g.tgenabled NOT IN ('O', 'A')
                         LIMIT 1)))::text
           AS properties
  FROM pg_constraint AS k
  LEFT JOIN pg_index AS i ON i.indexrelid = k.conindid
 WHERE k.conrelid = ANY ($1) AND k.contype IN ('p', 'u', 'c', 'f', 'x') AND k.conparentid = 0
