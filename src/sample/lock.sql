-- Readers may go on, writers and other samples wait. The wait for the lock is short, because
-- whoever writes while it lasts would have to queue behind it.
SET LOCAL lock_timeout = '2s';
LOCK TABLE public.user_credits, public.credit_transactions, public.user_provider_keys,
    public.llm_usage_log IN SHARE ROW EXCLUSIVE MODE;
