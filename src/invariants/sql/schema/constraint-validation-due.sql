-- title: no constraint of our tables waits for the upgrade to validate it
-- kind: query
-- scope: global
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: the catalogue itself is what is checked
-- why: an upgrade adds its constraints as NOT VALID, which locks nobody out, and validates them in a
--   later step. In between, old rows may break what the names promise, and no check is proven by
--   them.
-- remedy: let the upgrade go on: creditdb migrate. Between two of its steps this is how it should be.
-- canary: {"pg_catalog.pg_constraint": [{"oid": 0, "conname": "user_credits_balance_check",
--   "conrelid": 2, "convalidated": false}], "pg_catalog.pg_class": [
--   {"oid": 2, "relname": "user_credits", "relnamespace": 3}],
--   "pg_catalog.pg_namespace": [{"oid": 3, "nspname": "public"}],
--   "schema_version": [{"version": "1.0.0"}]}

-- All others that are not valid, and the same ones once their schema version is reached, are
-- constraint-not-valid.
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
       'not valid yet'::text AS actual,
       NULL::numeric AS difference,
       'mid-upgrade'::text AS cause,
       pg_get_constraintdef(con.oid) AS detail
  FROM pg_catalog.pg_constraint AS con
  JOIN pg_catalog.pg_class AS t ON t.oid = con.conrelid
  JOIN due AS d ON d.relname = t.relname AND d.conname = con.conname
  JOIN reached AS r ON r.version < d.version::int[]
 WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
   AND NOT con.convalidated
   AND (pg_get_constraintdef(con.oid) LIKE '% NOT ENFORCED') IS NOT TRUE;
