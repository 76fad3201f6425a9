-- Who owns what a dump of this database has an owner for. The role that made the server is not in
-- pg_shdepend; what initdb made has lower oids than anybody's objects.
SELECT pg_catalog.pg_get_userbyid(owner)::text
  FROM (SELECT relowner AS owner FROM pg_catalog.pg_class WHERE oid >= 16384
        UNION SELECT nspowner FROM pg_catalog.pg_namespace WHERE oid >= 16384
        UNION SELECT proowner FROM pg_catalog.pg_proc WHERE oid >= 16384
        UNION SELECT typowner FROM pg_catalog.pg_type WHERE oid >= 16384
        UNION SELECT refobjid FROM pg_catalog.pg_shdepend
               WHERE deptype = 'o' AND refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
                 AND dbid = (SELECT oid FROM pg_catalog.pg_database
                              WHERE datname = pg_catalog.current_database())) AS owners
 ORDER BY 1
