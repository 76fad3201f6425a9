-- why: roles keep what they were granted while the functions ran with the rights of their caller. A
--   trigger that such a role makes now runs with the rights of the owner, and a function that it
--   may execute makes credits. Gateways that V33 did not see lost the right to call.
-- locks: share update exclusive on six tables, until commit; nobody but a VACUUM waits, and whoever
--   changes the schema.
-- transaction: one
-- undo: nothing to undo: what was revoked can be granted again, by whoever knows why.

-- A role that may create in the schema could put functions in front of those that are called below.
SET LOCAL search_path = pg_catalog, pg_temp;

-- A trigger that is being made takes a lock that waits for this one, and this for it: after it,
-- either the trigger is seen below, or its maker sees that the privilege is gone. Calls do not
-- wait.
LOCK TABLE public.user_credits, public.credit_transactions, public.user_provider_keys,
    public.llm_usage_log, public.schema_version, public.refinery_schema_history
    IN SHARE UPDATE EXCLUSIVE MODE;

-- GRANT ALL ON ALL TABLES gives TRIGGER and REFERENCES to whoever was meant to read and write. The
-- triggers of a table run with the rights of whoever writes to it: our functions with those of the
-- owner, a migration, which writes schema_version and the history, with those of the deployer.
-- CASCADE, because a role that had the grant option may have granted on. A column's REFERENCES goes
-- with the table's. The log belongs to the first deployer, who need not be this one.
-- creditdb: allow hidden-change: the roles are known at run time only; it changes privileges
DO $do$
DECLARE
    v_grant record;
BEGIN
    FOR v_grant IN
        SELECT DISTINCT c.oid::regclass AS relation,
               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', r.rolname) END AS grantee
          FROM pg_class AS c
         CROSS JOIN LATERAL (
               SELECT c.relacl
               UNION ALL
               SELECT t.attacl FROM pg_attribute AS t
                WHERE t.attrelid = c.oid AND NOT t.attisdropped) AS acls (acl)
         CROSS JOIN LATERAL aclexplode(acls.acl) AS a
          LEFT JOIN pg_roles AS r ON r.oid = a.grantee
         WHERE c.relnamespace = 'public'::regnamespace
           AND c.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                             'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                             'schema_version', 'refinery_schema_history', 'creditdb_migration_log')
           AND (c.relname <> 'creditdb_migration_log' OR pg_has_role(c.relowner, 'USAGE'))
           AND a.privilege_type IN ('TRIGGER', 'REFERENCES')
           AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE TRIGGER, REFERENCES ON %s FROM %s CASCADE',
                       v_grant.relation, v_grant.grantee);
    END LOOP;
END;
$do$;

-- What was made with the privilege before stays, so it must not be there. Ours are known by all
-- that they say: CREATE OR REPLACE TRIGGER takes no more than the privilege, either. Whether they
-- are switched on is for the audit to say.
DO $do$
DECLARE
    v_names text;
    v_drops text;
BEGIN
    SELECT string_agg(format('%I on %s', g.tgname, g.tgrelid::regclass), ', ' ORDER BY g.oid),
           string_agg(format('DROP TRIGGER %I ON %s;', g.tgname, g.tgrelid::regclass), ' '
                      ORDER BY g.oid)
      INTO v_names, v_drops
      FROM pg_trigger AS g
      JOIN pg_class AS c ON c.oid = g.tgrelid
     WHERE c.relnamespace = 'public'::regnamespace
       AND c.relname IN ('user_credits', 'credit_transactions', 'user_provider_keys',
                         'llm_usage_log', 'schema_version', 'refinery_schema_history',
                         'creditdb_migration_log')
       AND NOT g.tgisinternal
       -- Without the name of the function, whose schema is told or not.
       AND (g.tgfoid, substring(pg_get_triggerdef(g.oid) FROM '^(.*) EXECUTE FUNCTION '))
           NOT IN (('public.number_entry()'::regprocedure,
                    'CREATE TRIGGER credit_transactions_number_entry BEFORE INSERT '
                    'ON public.credit_transactions FOR EACH ROW WHEN ((new.entry_seq IS NULL))'),
                   ('public.keep_entries()'::regprocedure,
                    'CREATE TRIGGER credit_transactions_keep_entries '
                    'BEFORE DELETE OR UPDATE OR TRUNCATE '
                    'ON public.credit_transactions FOR EACH STATEMENT'));

    IF v_names IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('triggers that are not of this schema: %s', v_names),
            DETAIL = 'A trigger runs with the rights of whoever writes to its table. The functions '
                     'write with those of their owner, migrations with those of the deployer.',
            HINT = format('Look at what it calls and who made that, then: %s "creditdb drift" '
                          'prints the SQL for one of ours that is missing then; one of your own '
                          'may be made again after the upgrade.', v_drops);
    END IF;
END;
$do$;

-- A role that was let at this function when everybody was may have it on a table of its own, where
-- it would raise the numbers of any user. Nobody asks for EXECUTE when a trigger fires.
CREATE OR REPLACE FUNCTION public.number_entry() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_seq bigint;
BEGIN
    IF TG_RELID <> 'public.credit_transactions'::regclass THEN
        RAISE EXCEPTION USING
            ERRCODE = 'trigger_protocol_violated',
            MESSAGE = format('number_entry numbers entries only, not rows of %s',
                             TG_RELID::regclass),
            HINT = format('DROP TRIGGER %I ON %s', TG_NAME, TG_RELID::regclass);
    END IF;

    SELECT uc.last_entry_seq INTO v_seq
      FROM public.user_credits AS uc
     WHERE uc.user_id = NEW.user_id
       FOR NO KEY UPDATE;

    IF v_seq IS NULL OR v_seq = 0 THEN
        v_seq := public.find_last_entry_seq(NEW.user_id);
    END IF;

    NEW.entry_seq := v_seq + 1;

    UPDATE public.user_credits AS uc
       SET last_entry_seq = NEW.entry_seq
     WHERE uc.user_id = NEW.user_id;

    RETURN NEW;
END;
$function$;

-- V33 took EXECUTE from PUBLIC only. Roles that were granted it with all functions of the schema,
-- or by default, were meant to read. So it is for members of creditdb_gateway, and for roles that
-- may write entries, as in V33. One that was granted just the three, as V33 does it, could write
-- entries, too: INSERT may have been taken from it since. A grant of everything includes
-- assert_credit_arguments, which nobody grants by itself.
--
-- The grant option goes from all of them, and with it whatever was granted on; who keeps the right
-- has it from the owner then. Nobody sees anything of this before the commit.
-- creditdb: allow hidden-change: the roles are known at run time only; it changes privileges
DO $do$
DECLARE
    v_calls oid[] := ARRAY[
        'public.add_user_credits(uuid, numeric, text, text, text)'::regprocedure,
        'public.debit_user_credits(uuid, numeric, text, text, text)'::regprocedure,
        'public.record_llm_request(uuid, text, text, text, text, bigint, bigint, numeric, integer, '
        'bigint, boolean, text, boolean, jsonb, text)'::regprocedure];
    v_table oid := 'public.credit_transactions'::regclass;
    v_lost  oid[] := '{}';
    v_names text[];
    v_role  record;
BEGIN
    FOR v_role IN
        WITH granted AS (
            SELECT p.oid AS function, p.proname, a.grantee, r.rolname,
                   bool_or(a.grantor = p.proowner) AS by_owner
              FROM pg_proc AS p
             CROSS JOIN LATERAL aclexplode(
                   coalesce(p.proacl, acldefault('f', p.proowner))) AS a
              LEFT JOIN pg_roles AS r ON r.oid = a.grantee
             WHERE p.oid = ANY (v_calls || ARRAY[
                       'public.number_entry()'::regprocedure,
                       'public.assert_credit_arguments(uuid, numeric, text, text)'::regprocedure
                   ]::oid[])
               AND a.grantee <> p.proowner
             GROUP BY p.oid, p.proname, a.grantee, r.rolname
        )
        SELECT g.function::regprocedure AS function, g.grantee,
               CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', g.rolname) END AS name,
               CASE WHEN g.grantee = 0 OR g.proname = 'number_entry' THEN false
                    ELSE g.rolname = 'creditdb_gateway'
                         OR has_any_column_privilege(g.grantee, v_table, 'INSERT')
                         OR (SELECT count(*) = 3 FROM granted AS o
                              WHERE o.grantee = g.grantee AND o.by_owner
                                AND o.proname <> 'number_entry')
                            AND NOT EXISTS (SELECT FROM granted AS o
                                             WHERE o.grantee = g.grantee
                                               AND o.proname = 'assert_credit_arguments')
               END AS keeps
          FROM granted AS g
         WHERE g.proname <> 'assert_credit_arguments'
         -- What is granted here must not go with the grant option of another.
         ORDER BY keeps
    LOOP
        EXECUTE format('REVOKE %s EXECUTE ON FUNCTION %s FROM %s CASCADE',
                       CASE WHEN v_role.keeps THEN 'GRANT OPTION FOR' END,
                       v_role.function, v_role.name);
        IF v_role.keeps THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', v_role.function, v_role.name);
        ELSIF v_role.function <> 'public.number_entry()'::regprocedure THEN
            v_lost := v_lost || v_role.grantee;
        END IF;
    END LOOP;

    SELECT array_agg(format('%I', r.rolname) ORDER BY r.rolname) INTO v_names
      FROM pg_roles AS r
     WHERE r.oid = ANY (v_lost)
       -- Not through a membership, either.
       AND NOT (SELECT bool_and(has_function_privilege(r.oid, f.oid, 'EXECUTE'))
                  FROM unnest(v_calls) AS f (oid));
    IF v_names IS NOT NULL THEN
        RAISE WARNING USING
            MESSAGE = format('may no longer call the functions that change balances: %s',
                             array_to_string(v_names, ', ')),
            DETAIL = 'They were granted EXECUTE and may not write entries.',
            HINT = format('Those that are to call: GRANT creditdb_gateway TO %s;', v_names[1]);
    END IF;

    -- V33 read the privileges of the table. INSERT on columns counts as well, and what comes with a
    -- predefined role, which is not granted anything itself: so its members are. Whoever has INSERT
    -- on the table was seen by V33, and has what has been decided since. Groups come first, and
    -- their members then need nothing.
    FOR v_role IN
        SELECT r.oid, format('%I', r.rolname) AS name
          FROM pg_roles AS r
          JOIN pg_class AS c ON c.oid = v_table
         WHERE NOT r.rolsuper
           AND has_any_column_privilege(r.oid, v_table, 'INSERT')
           AND (r.rolcanlogin
                OR EXISTS (SELECT FROM pg_attribute AS t
                            CROSS JOIN LATERAL aclexplode(t.attacl) AS a
                            WHERE t.attrelid = v_table AND NOT t.attisdropped
                              AND a.privilege_type = 'INSERT' AND a.grantee = r.oid))
           AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) AS a
                            WHERE a.privilege_type = 'INSERT' AND a.grantee <> c.relowner
                              AND CASE a.grantee WHEN 0 THEN false
                                  ELSE pg_has_role(r.oid, a.grantee, 'USAGE') END)
         ORDER BY r.rolcanlogin, r.rolname
    LOOP
        IF NOT (SELECT bool_and(has_function_privilege(v_role.oid, f.oid, 'EXECUTE'))
                  FROM unnest(v_calls) AS f (oid)) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s',
                           (SELECT string_agg(f.oid::regprocedure::text, ', ')
                              FROM unnest(v_calls) AS f (oid)), v_role.name);
        END IF;
    END LOOP;
END;
$do$;

-- Where new functions are not for PUBLIC, V33 left this one to nobody. It reads with the rights of
-- its caller, and both roles may read.
GRANT EXECUTE ON FUNCTION public.get_quota_usage_percentage(uuid)
    TO creditdb_gateway, creditdb_auditor;
