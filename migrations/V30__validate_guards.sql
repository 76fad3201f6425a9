-- why: proves for the old rows what V26 to V29 demand of new ones; the audit then believes it and
--   reads nothing.
-- locks: share update exclusive on the four tables while they are read, one after the other, and
--   row share on user_credits for the foreign keys; nobody but a VACUUM waits.
-- transaction: one
-- undo: nothing to undo.

ALTER TABLE public.user_credits VALIDATE CONSTRAINT user_credits_balance_check;
ALTER TABLE public.user_credits VALIDATE CONSTRAINT user_credits_quota_check;
ALTER TABLE public.user_credits VALIDATE CONSTRAINT user_credits_user_id_check;

ALTER TABLE public.credit_transactions VALIDATE CONSTRAINT credit_transactions_user_id_fkey;
ALTER TABLE public.credit_transactions VALIDATE CONSTRAINT credit_transactions_finite_check;
ALTER TABLE public.credit_transactions VALIDATE CONSTRAINT credit_transactions_sign_check;
ALTER TABLE public.credit_transactions VALIDATE CONSTRAINT credit_transactions_user_id_check;

ALTER TABLE public.user_provider_keys VALIDATE CONSTRAINT user_provider_keys_user_id_fkey;
ALTER TABLE public.user_provider_keys VALIDATE CONSTRAINT user_provider_keys_user_id_check;

ALTER TABLE public.llm_usage_log VALIDATE CONSTRAINT llm_usage_log_credits_check;
ALTER TABLE public.llm_usage_log VALIDATE CONSTRAINT llm_usage_log_tokens_check;
ALTER TABLE public.llm_usage_log VALIDATE CONSTRAINT llm_usage_log_user_id_check;
