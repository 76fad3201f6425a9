-- What a ledger must not have: one row per question, with the number of rows that answer it.
-- Written against the tables alone, so that it does not share a mistake with the sample.

WITH chained AS (
    SELECT ct.*,
           lag(balance_after, 1, 0::numeric) OVER by_id AS before,
           lag(created_at) OVER by_id AS earlier,
           row_number() OVER (PARTITION BY user_id ORDER BY id DESC) AS from_end
      FROM credit_transactions AS ct
    WINDOW by_id AS (PARTITION BY user_id ORDER BY id)
), sums AS (
    SELECT user_id, sum(amount) AS balance FROM credit_transactions GROUP BY user_id
)
SELECT 'entries off the chain', count(*) FROM chained WHERE balance_after <> before + amount
UNION ALL SELECT 'entries earlier than their predecessor', count(*)
  FROM chained WHERE created_at < earlier
UNION ALL SELECT 'balances that are not the last of the chain', count(*)
  FROM user_credits LEFT JOIN chained ON chained.user_id = user_credits.user_id AND from_end = 1
 WHERE balance <> coalesce(balance_after, 0)
UNION ALL SELECT 'balances that are not the sum', count(*)
  FROM user_credits LEFT JOIN sums USING (user_id)
 WHERE user_credits.balance <> coalesce(sums.balance, 0)
UNION ALL SELECT 'users without a balance row', count(*)
  FROM (SELECT user_id FROM credit_transactions UNION SELECT user_id FROM llm_usage_log
        UNION SELECT user_id FROM user_provider_keys) AS u
 WHERE user_id NOT IN (SELECT user_id FROM user_credits)
UNION ALL SELECT 'negative balances in the past', count(*)
  FROM credit_transactions JOIN user_credits USING (user_id)
 WHERE balance_after < 0 AND tier <> 'enterprise'
UNION ALL SELECT 'counters that are not the usage of the cycle', count(*)
  FROM user_credits AS uc
 WHERE credits_used_this_month <> (
           SELECT coalesce(-sum(amount), 0) FROM credit_transactions AS ct
            WHERE ct.user_id = uc.user_id AND transaction_type = 'usage'
              AND ct.created_at >= uc.billing_cycle_start)
UNION ALL SELECT 'more used than allowed', count(*)
  FROM user_credits WHERE credits_used_this_month > monthly_allowance
UNION ALL SELECT 'allowances of another tier', count(*)
  FROM user_credits
 WHERE (tier, coalesce(monthly_allowance, -1)) NOT IN
       (('trial', 100), ('starter', 1000), ('professional', 10000), ('enterprise', -1))
UNION ALL SELECT 'trials with more than a trial', count(*)
  FROM user_credits JOIN sums USING (user_id)
 WHERE tier = 'trial' AND (SELECT -sum(amount) FROM credit_transactions AS ct
                            WHERE ct.user_id = sums.user_id AND transaction_type = 'usage') > 100
UNION ALL SELECT 'cycles that began too early or too late', count(*)
  FROM user_credits
 WHERE billing_cycle_start < created_at
    OR billing_cycle_start <= (SELECT max(billing_cycle_start) FROM user_credits) - interval '30 days'
UNION ALL SELECT 'requests and charges that do not match one to one', count(*)
  FROM (SELECT * FROM llm_usage_log WHERE credits_used > 0) AS l
  FULL JOIN (SELECT * FROM credit_transactions WHERE transaction_type = 'usage') AS ct
    ON ct.user_id = l.user_id AND ct.reference_id = l.request_id AND ct.amount = -l.credits_used
 WHERE l.id IS NULL OR ct.id IS NULL OR ct.created_at > l.created_at
UNION ALL SELECT 'requests with the wrong cost', count(*)
  FROM llm_usage_log AS l
  LEFT JOIN (VALUES ('gpt-3.5-turbo', 0.50, 1.50), ('gpt-4', 30, 60), ('gpt-4-turbo', 10, 30),
                    ('claude-3-opus', 15, 75), ('claude-3-sonnet', 3, 15),
                    ('claude-3-haiku', 0.25, 1.25)) AS price (model, input, output) USING (model)
  LEFT JOIN power_level_configs AS level USING (power_level)
 WHERE credits_used IS DISTINCT FROM
       CASE WHEN success AND NOT byok_used
            THEN round((prompt_tokens * input + completion_tokens * output) / 1000000
                       * cost_multiplier * 10, 8)
            ELSE 0 END
UNION ALL SELECT 'free requests with success and without a key', count(*)
  FROM llm_usage_log WHERE credits_used <= 0 AND success AND NOT byok_used
UNION ALL SELECT 'requests with a key that the user does not have', count(*)
  FROM llm_usage_log AS l
 WHERE byok_used AND NOT EXISTS (
           SELECT FROM user_provider_keys AS pk
            WHERE pk.user_id = l.user_id AND pk.provider = l.provider AND is_active
              AND pk.created_at < l.created_at AND last_used_at >= l.created_at)
UNION ALL SELECT 'successes with an error, failures without one', count(*)
  FROM llm_usage_log WHERE success <> (error_message IS NULL)
UNION ALL SELECT 'tokens that do not add up', count(*)
  FROM llm_usage_log
 WHERE total_tokens <> prompt_tokens + completion_tokens OR prompt_tokens <= 0
    OR (completion_tokens > 0) <> success
UNION ALL SELECT 'repeated request ids', count(*) - count(DISTINCT request_id) FROM llm_usage_log
UNION ALL SELECT 'repeated references',
       count(*) - count(DISTINCT (user_id, transaction_type, reference_id))
  FROM credit_transactions
UNION ALL SELECT 'repeated payments', count(*) - count(DISTINCT reference_id)
  FROM credit_transactions WHERE transaction_type = 'purchase'
UNION ALL SELECT 'purchases that are no package', count(*)
  FROM credit_transactions
 WHERE transaction_type = 'purchase'
   AND ((amount, description) NOT IN (SELECT credits, 'Purchased ' || name FROM credit_packages)
        OR reference_id NOT LIKE 'pi\_%')
UNION ALL SELECT 'refunds of nothing, or of more than there was', count(*)
  FROM credit_transactions AS ct
 WHERE transaction_type = 'refund'
   AND NOT EXISTS (SELECT FROM credit_transactions AS origin
                    WHERE origin.user_id = ct.user_id AND origin.id < ct.id
                      AND origin.reference_id = ct.reference_id
                      AND ((origin.transaction_type = 'purchase' AND ct.amount = -origin.amount)
                           OR (origin.transaction_type = 'usage'
                               AND ct.amount > 0 AND ct.amount <= -origin.amount)))
UNION ALL SELECT 'bonuses or usages with the wrong sign', count(*)
  FROM credit_transactions
 WHERE (transaction_type = 'bonus' AND amount <= 0) OR (transaction_type = 'usage' AND amount >= 0)
UNION ALL SELECT 'entries without a description', count(*)
  FROM credit_transactions WHERE coalesce(btrim(description), '') = ''
UNION ALL SELECT 'equal credits of one user within ten minutes', count(*)
  FROM credit_transactions AS a
  JOIN credit_transactions AS b
    ON b.user_id = a.user_id AND b.id > a.id AND b.amount = a.amount
   AND b.created_at < a.created_at + interval '10 minutes'
 WHERE a.amount > 0
UNION ALL SELECT 'ids out of the order of time', count(*)
  FROM (SELECT created_at < lag(created_at) OVER (ORDER BY id) AS late FROM credit_transactions
        UNION ALL SELECT created_at < lag(created_at) OVER (ORDER BY id) FROM llm_usage_log
        UNION ALL SELECT created_at < lag(created_at) OVER (ORDER BY id) FROM user_provider_keys
       ) AS t
 WHERE late
UNION ALL SELECT 'ids that were skipped', count(*)
  FROM (SELECT id <> row_number() OVER (ORDER BY id) AS skipped FROM credit_transactions
        UNION ALL SELECT id <> row_number() OVER (ORDER BY id) FROM llm_usage_log) AS t
 WHERE skipped
UNION ALL SELECT 'rows before their user', count(*)
  FROM (SELECT user_id, created_at FROM credit_transactions
        UNION ALL SELECT user_id, created_at FROM llm_usage_log
        UNION ALL SELECT user_id, created_at FROM user_provider_keys) AS t
  JOIN user_credits AS uc USING (user_id)
 WHERE t.created_at <= uc.created_at
UNION ALL SELECT 'updated before created', count(*)
  FROM (SELECT created_at, updated_at FROM user_credits
        UNION ALL SELECT created_at, updated_at FROM user_provider_keys) AS t
 WHERE updated_at < created_at
UNION ALL SELECT 'second defaults, or inactive ones', count(*)
  FROM (SELECT FROM user_provider_keys WHERE is_default
         GROUP BY user_id, provider HAVING count(*) > 1 OR NOT bool_and(is_active)) AS t
UNION ALL SELECT 'shared or readable keys', count(*) - count(DISTINCT encrypted_key)
         + count(*) FILTER (WHERE encrypted_key !~ '^enc:v1:[A-Za-z0-9+/]{64}$')
  FROM user_provider_keys
UNION ALL SELECT 'keys with the wrong count of requests', count(*)
  FROM user_provider_keys AS pk
  JOIN user_credits AS uc USING (user_id)
 WHERE usage_count_this_month <> CASE WHEN last_used_at IS NULL THEN 0 ELSE (
           SELECT count(*) FROM llm_usage_log AS l
            WHERE l.user_id = pk.user_id AND l.provider = pk.provider AND byok_used
              AND l.created_at >= billing_cycle_start) END;
