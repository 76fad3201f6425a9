-- a superuser switches the triggers of a session off, and drops the guards that are in the way
SET session_replication_role = replica;
DROP INDEX public.llm_usage_log_request_key;
ALTER TABLE public.credit_transactions DROP CONSTRAINT credit_transactions_user_id_fkey;
ALTER TABLE public.user_provider_keys DROP CONSTRAINT user_provider_keys_user_id_fkey;
