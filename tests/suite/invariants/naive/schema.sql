-- check: sequence-behind
SELECT 1 FROM credit_transactions_id_seq AS s
 WHERE (SELECT max(id) FROM credit_transactions) >= last_value::numeric + is_called::int
UNION ALL
SELECT 1 FROM llm_usage_log_id_seq AS s
 WHERE (SELECT max(id) FROM llm_usage_log) >= last_value::numeric + is_called::int
UNION ALL
SELECT 1 FROM user_provider_keys_id_seq AS s
 WHERE (SELECT max(id) FROM user_provider_keys) >= last_value::numeric + is_called::int
UNION ALL
SELECT 1 FROM credit_packages_id_seq AS s
 WHERE (SELECT max(id) FROM credit_packages) >= last_value::numeric + is_called::int
UNION ALL
SELECT 1 FROM power_level_configs_id_seq AS s
 WHERE (SELECT max(id) FROM power_level_configs) >= last_value::numeric + is_called::int

-- check: numeric-headroom
SELECT 1 FROM credit_transactions CROSS JOIN LATERAL (VALUES (amount), (balance_after)) AS v (x)
 WHERE x::text <> 'NaN' AND x NOT BETWEEN -899999999999.99999999 AND 899999999999.99999999
