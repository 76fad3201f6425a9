-- The tables that hold rows already, as an array of names.
SELECT array_remove(ARRAY[
    CASE WHEN EXISTS (SELECT FROM public.user_credits) THEN 'user_credits' END,
    CASE WHEN EXISTS (SELECT FROM public.credit_transactions) THEN 'credit_transactions' END,
    CASE WHEN EXISTS (SELECT FROM public.user_provider_keys) THEN 'user_provider_keys' END,
    CASE WHEN EXISTS (SELECT FROM public.llm_usage_log) THEN 'llm_usage_log' END], NULL);
