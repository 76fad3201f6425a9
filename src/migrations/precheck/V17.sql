-- V17 replaces the primary key of the entries. What others have tied to it would keep it there: a
-- foreign key to it, a view that groups by it. Afterwards the unique index of V13 serves foreign keys.
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid),
       CASE WHEN f.oid IS NOT NULL
            THEN pg_catalog.format(
                     'ALTER TABLE %s DROP CONSTRAINT %I; after the upgrade: '
                     'ALTER TABLE %1$s ADD CONSTRAINT %2$I %3$s',
                     f.conrelid::pg_catalog.regclass, f.conname,
                     pg_catalog.pg_get_constraintdef(f.oid))
            WHEN r.oid IS NOT NULL
            THEN pg_catalog.format(
                     'drop %s; after the upgrade, make it again with each of its columns in GROUP BY',
                     r.ev_class::pg_catalog.regclass)
            ELSE 'drop it, and make it again after the upgrade' END
  FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_depend AS d
       ON (d.refclassid, d.refobjid) IN (('pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid),
                                         ('pg_catalog.pg_class'::pg_catalog.regclass, k.conindid))
      AND d.deptype = 'n'
  LEFT JOIN pg_catalog.pg_constraint AS f
         ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND f.oid = d.objid
  LEFT JOIN pg_catalog.pg_rewrite AS r
         ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid
 WHERE k.conrelid = pg_catalog.to_regclass('public.credit_transactions')
   AND k.conname = 'credit_transactions_pkey'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c
                    WHERE c.oid = f.oid AND c.conparentid <> 0)
 ORDER BY 1
