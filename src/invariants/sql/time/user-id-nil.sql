-- title: no row belongs to the nil UUID
-- kind: row
-- table: credit_transactions, llm_usage_log, user_credits, user_provider_keys
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_user_id_check, credit_transactions.user_id not null,
--   llm_usage_log_user_id_check, llm_usage_log.user_id not null, user_credits_user_id_check,
--   user_credits.user_id not null, user_provider_keys_user_id_check,
--   user_provider_keys.user_id not null
-- why: a program fills a missing user with zeros. All users without an id then share one balance.
-- remedy: find the requests by reference_id or request_id in the gateway's own logs, and book
--   them for the users who sent them; then let the gateway refuse requests without a user.
-- expected: 'a user'
-- actual: coalesce(user_id::text, 'NULL')
-- canary: {"user_id": "00000000-0000-0000-0000-000000000000"}

-- NULL counts as well.
(user_id <> '00000000-0000-0000-0000-000000000000') IS NOT TRUE
