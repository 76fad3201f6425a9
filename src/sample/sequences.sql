-- The next row must get a new id. A sequence that is ahead already stays where it is.
SELECT setval('public.credit_transactions_id_seq', max(id))
  FROM public.credit_transactions
HAVING max(id) >= (SELECT last_value FROM public.credit_transactions_id_seq);

SELECT setval('public.user_provider_keys_id_seq', max(id))
  FROM public.user_provider_keys
HAVING max(id) >= (SELECT last_value FROM public.user_provider_keys_id_seq);

SELECT setval('public.llm_usage_log_id_seq', max(id))
  FROM public.llm_usage_log
HAVING max(id) >= (SELECT last_value FROM public.llm_usage_log_id_seq);
