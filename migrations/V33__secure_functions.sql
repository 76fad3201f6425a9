-- why: the functions run with the rights of their owner, so that a gateway that may call them needs
--   no right to write balances and entries in any other way.
-- locks: none on tables; calls that are under way end with the old rights.
-- transaction: one
-- undo: ALTER FUNCTION ... SECURITY INVOKER RESET search_path, and grant EXECUTE to PUBLIC again.

-- The path is pinned because the caller's would decide what an unqualified name means, operators
-- and casts included. pg_temp is named last, or it would be searched first.
ALTER FUNCTION public.add_user_credits(uuid, numeric, text, text, text)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

ALTER FUNCTION public.debit_user_credits(uuid, numeric, text, text, text)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

ALTER FUNCTION public.record_llm_request(uuid, text, text, text, text, bigint, bigint, numeric,
                                         integer, bigint, boolean, text, boolean, jsonb, text)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

ALTER FUNCTION public.number_entry()
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- Reads what the caller may read anyway, so it keeps the caller's rights.
ALTER FUNCTION public.get_quota_usage_percentage(uuid)
    SET search_path = pg_catalog, pg_temp;

-- assert_credit_arguments and find_last_entry_seq run inside of the functions above, with their
-- rights and their path.

-- Every role may execute a new function. As long as it ran with the caller's rights that gave
-- nothing away. Roles that may write entries today are gateways that are connected right now: they
-- keep the right to call. Nobody keeps the right to change entries.
-- creditdb: allow hidden-change: the roles are known at run time only; it changes privileges
DO $do$
DECLARE
    v_role record;
BEGIN
    FOR v_role IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', r.rolname) END AS name,
               bool_or(a.privilege_type = 'INSERT') AS writes
          FROM pg_catalog.pg_class AS c
         CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
          LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
         WHERE c.oid = 'public.credit_transactions'::regclass
           AND a.grantee <> c.relowner
         GROUP BY a.grantee, r.rolname
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON public.credit_transactions FROM %s',
                       v_role.name);
        IF v_role.writes AND v_role.name <> 'PUBLIC' THEN
            EXECUTE format(
                'GRANT EXECUTE ON FUNCTION '
                'public.add_user_credits(uuid, numeric, text, text, text), '
                'public.debit_user_credits(uuid, numeric, text, text, text), '
                'public.record_llm_request(uuid, text, text, text, text, bigint, bigint, numeric, '
                'integer, bigint, boolean, text, boolean, jsonb, text) TO %s', v_role.name);
        END IF;
    END LOOP;
END;
$do$;

-- number_entry as well: on a table of one's own it would number entries of any user.
REVOKE EXECUTE ON FUNCTION
    public.add_user_credits(uuid, numeric, text, text, text),
    public.debit_user_credits(uuid, numeric, text, text, text),
    public.record_llm_request(uuid, text, text, text, text, bigint, bigint, numeric, integer,
                              bigint, boolean, text, boolean, jsonb, text),
    public.number_entry()
    FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    public.add_user_credits(uuid, numeric, text, text, text),
    public.debit_user_credits(uuid, numeric, text, text, text),
    public.record_llm_request(uuid, text, text, text, text, bigint, bigint, numeric, integer,
                              bigint, boolean, text, boolean, jsonb, text)
    TO creditdb_gateway;

-- USAGE of the schema is left to whoever owns it: PUBLIC has it, unless somebody took it away.
GRANT SELECT ON
    public.user_credits, public.credit_transactions, public.credit_packages,
    public.power_level_configs, public.user_provider_keys, public.llm_usage_log,
    public.schema_version
    TO creditdb_gateway, creditdb_auditor;

-- The audit compares schema_version with the history, and sequences with the ids in use.
GRANT SELECT ON
    public.refinery_schema_history,
    public.credit_transactions_id_seq, public.credit_packages_id_seq,
    public.power_level_configs_id_seq, public.user_provider_keys_id_seq,
    public.llm_usage_log_id_seq
    TO creditdb_auditor;
