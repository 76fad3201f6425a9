-- check: timestamp-future
SELECT 1 FROM (
    SELECT max(created_at) AS newest FROM credit_transactions
    UNION ALL SELECT max(created_at) FROM llm_usage_log
    UNION ALL SELECT max(created_at) FROM user_credits
    UNION ALL SELECT max(created_at) FROM user_provider_keys) AS t
 WHERE newest - interval '5 minutes' > now()

-- check: timestamp-missing
SELECT 1 FROM (
    SELECT created_at FROM credit_transactions
    UNION ALL SELECT created_at FROM llm_usage_log
    UNION ALL SELECT created_at FROM user_credits
    UNION ALL SELECT created_at FROM user_provider_keys) AS t
 WHERE coalesce(created_at, '-infinity') < '2020-01-01 UTC'

-- check: updated-before-created
SELECT 1 FROM (
    SELECT created_at, updated_at FROM user_credits
    UNION ALL SELECT created_at, updated_at FROM user_provider_keys
    UNION ALL SELECT created_at, updated_at FROM credit_packages
    UNION ALL SELECT created_at, updated_at FROM power_level_configs) AS t
 WHERE created_at > updated_at

-- check: user-id-nil
SELECT 1 FROM (
    SELECT user_id FROM credit_transactions
    UNION ALL SELECT user_id FROM llm_usage_log
    UNION ALL SELECT user_id FROM user_credits
    UNION ALL SELECT user_id FROM user_provider_keys) AS t
 WHERE translate(coalesce(user_id::text, '0'), '0-', '') = ''

-- check: id-time-inversion
SELECT 1 FROM (
    SELECT created_at, max(created_at) OVER (PARTITION BY kind ORDER BY id) AS newest
      FROM (SELECT 1, id, created_at FROM credit_transactions
            UNION ALL SELECT 2, id, created_at FROM llm_usage_log) AS r (kind, id, created_at)
     WHERE created_at > '2020-01-01 UTC' AND created_at < now() + interval '5 minutes') AS t
 WHERE created_at < newest - interval '1 day'

-- check: id-duplicate
SELECT 1 FROM credit_transactions AS a JOIN credit_transactions AS b USING (id)
 WHERE a.user_id <> b.user_id
UNION ALL
SELECT 1 FROM llm_usage_log AS a JOIN llm_usage_log AS b USING (id) WHERE a.user_id <> b.user_id
UNION ALL
SELECT 1 FROM user_provider_keys AS a JOIN user_provider_keys AS b USING (id)
 WHERE a.user_id <> b.user_id
