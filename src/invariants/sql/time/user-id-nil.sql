-- title: no row belongs to the nil UUID
-- kind: row
-- table: credit_transactions, llm_usage_log, user_credits, user_provider_keys
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: a CHECK comes with schema 1.3.0
-- why: a program fills a missing user with zeros. All users without an id then share one balance.
-- remedy: find the requests by reference_id or request_id in the gateway's own logs, and book
--   them for the users who sent them; then let the gateway refuse requests without a user.
-- expected: 'a user'
-- actual: coalesce(user_id::text, 'NULL')

-- NULL counts as well.
(user_id <> '00000000-0000-0000-0000-000000000000') IS NOT TRUE
