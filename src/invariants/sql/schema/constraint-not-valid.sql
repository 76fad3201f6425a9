-- title: every constraint of our tables is valid and enforced
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: a constraint was added as NOT VALID and never validated, or is not enforced: old rows may
--   break what its name promises, and checks that it should prove are not proven.
-- remedy: ALTER TABLE public.<table> VALIDATE CONSTRAINT <constraint>. When it fails, the message
--   names a row: repair it and validate again. One that is not enforced has to be made anew.
-- canary: {"pg_catalog.pg_constraint": [
--   {"conname": "canary", "conrelid": 2, "convalidated": false}], "pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}]}

-- NOT ENFORCED (PostgreSQL 18) implies not valid. Whether all constraints exist
-- is "creditdb drift"; those that a pending migration validates are constraint-validation-due.
-- What the migrations add as NOT VALID and validate in a later file, and the schema version that
-- has all of it valid.
WITH due (relname, conname, version) AS (
    VALUES ('credit_transactions', 'credit_transactions_entry_seq_check', '{1,1,0}'),
           ('user_credits', 'user_credits_balance_check', '{1,3,0}'),
           ('user_credits', 'user_credits_quota_check', '{1,3,0}'),
           ('user_credits', 'user_credits_user_id_check', '{1,3,0}'),
           ('credit_transactions', 'credit_transactions_user_id_fkey', '{1,3,0}'),
           ('credit_transactions', 'credit_transactions_finite_check', '{1,3,0}'),
           ('credit_transactions', 'credit_transactions_sign_check', '{1,3,0}'),
           ('credit_transactions', 'credit_transactions_user_id_check', '{1,3,0}'),
           ('user_provider_keys', 'user_provider_keys_user_id_fkey', '{1,3,0}'),
           ('user_provider_keys', 'user_provider_keys_user_id_check', '{1,3,0}'),
           ('llm_usage_log', 'llm_usage_log_credits_check', '{1,3,0}'),
           ('llm_usage_log', 'llm_usage_log_tokens_check', '{1,3,0}'),
           ('llm_usage_log', 'llm_usage_log_user_id_check', '{1,3,0}')
), reached AS (
    SELECT max(CASE WHEN v.version ~ '^[0-9]{1,9}[.][0-9]{1,9}[.][0-9]{1,9}$'
                    THEN string_to_array(v.version, '.')::int[] END) AS version
      FROM public.schema_version AS v
)
SELECT format('constraint %s of table public.%s', con.conname, t.relname) AS subject,
       'valid'::text AS expected,
       'not valid'::text AS actual,
       NULL::numeric AS difference,
       'not-validated'::text AS cause,
       pg_get_constraintdef(con.oid) AS detail
  FROM pg_catalog.pg_constraint AS con
  JOIN pg_catalog.pg_class AS t ON t.oid = con.conrelid
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
   AND NOT con.convalidated
   AND NOT (pg_get_constraintdef(con.oid) NOT LIKE '% NOT ENFORCED'
            AND EXISTS (SELECT FROM due AS d, reached AS r
                         WHERE d.relname = t.relname AND d.conname = con.conname
                           AND r.version < d.version::int[]));
