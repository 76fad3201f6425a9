-- why: schema 1.3.0 lets nobody but the functions write entries. A gateway needs a role that may
--   call them, and whoever audits the ledger needs one that may read and nothing else.
-- locks: none on tables.
-- transaction: one
-- undo: REASSIGN OWNED and DROP OWNED in each database, then drop the two roles.

-- Roles belong to the cluster: another database may have them already, or make them now. Without
-- the privilege to create roles, let an administrator run the two CREATE ROLE once; this file then
-- finds them. They have no login: GRANT creditdb_gateway TO the role that the gateway connects as.
-- creditdb: allow hidden-change: CREATE ROLE has no IF NOT EXISTS, and changes no table
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'creditdb_gateway') THEN
        CREATE ROLE creditdb_gateway NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    RAISE NOTICE 'another database has just made the role creditdb_gateway';
END;
$do$;

-- creditdb: allow hidden-change: CREATE ROLE has no IF NOT EXISTS, and changes no table
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'creditdb_auditor') THEN
        CREATE ROLE creditdb_auditor NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    RAISE NOTICE 'another database has just made the role creditdb_auditor';
END;
$do$;
