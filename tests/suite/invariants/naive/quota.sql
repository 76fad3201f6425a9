-- check: quota-equals-cycle-sum
WITH usage AS (
    SELECT uc.user_id, uc.credits_used_this_month AS counted, ct.amount,
           ct.created_at >= uc.billing_cycle_start AS is_in,
           extract(epoch FROM uc.billing_cycle_start) - extract(epoch FROM ct.created_at)
               BETWEEN 0 AND 900
           AND (uc.created_at > ct.created_at
                OR EXISTS (SELECT 1 FROM credit_transactions AS o
                            WHERE o.id < ct.id AND o.id >= ct.id - 1000
                              AND o.created_at >= uc.billing_cycle_start)) AS set_back,
           extract(epoch FROM ct.created_at) - extract(epoch FROM uc.billing_cycle_start)
               BETWEEN 0 AND 900
           AND EXISTS (SELECT 1 FROM credit_transactions AS o
                        WHERE o.id > ct.id AND o.id <= ct.id + 1000
                          AND extract(epoch FROM ct.created_at)
                              > extract(epoch FROM o.created_at) + 1) AS ahead
      FROM user_credits AS uc
      LEFT JOIN credit_transactions AS ct
        ON ct.user_id = uc.user_id AND ct.transaction_type = 'usage'
)
SELECT 1 FROM usage GROUP BY user_id, counted
HAVING counted IS DISTINCT FROM coalesce(-sum(amount) FILTER (WHERE is_in), 0)
   AND counted IS DISTINCT FROM coalesce(-sum(amount) FILTER (WHERE is_in OR set_back), 0)
   AND counted IS DISTINCT FROM coalesce(-sum(amount) FILTER (WHERE is_in AND NOT ahead), 0)
   AND counted IS DISTINCT FROM coalesce(-sum(amount) FILTER (WHERE is_in AND NOT ahead
                                                                 OR set_back AND NOT is_in), 0)

-- check: quota-negative
SELECT 1 FROM user_credits
 WHERE credits_used_this_month IS NULL
    OR sign(credits_used_this_month) = -1
    OR credits_used_this_month::text IN ('NaN', 'Infinity')
    OR sign(monthly_allowance) = -1 OR monthly_allowance::text IN ('NaN', 'Infinity')

-- check: quota-exceeded
SELECT 1 FROM user_credits
 WHERE credits_used_this_month::text NOT IN ('NaN', 'Infinity') AND monthly_allowance >= 0
   AND sign(credits_used_this_month - monthly_allowance) = 1

-- check: cycle-start-future
SELECT 1 FROM user_credits WHERE billing_cycle_start - interval '5 minutes' > now()

-- check: cycle-stale
SELECT 1 FROM user_credits
 WHERE billing_cycle_start < updated_at
   AND updated_at > billing_cycle_start + interval '1 month' + interval '3 days'

-- check: tier-domain
SELECT 1 FROM user_credits
  LEFT JOIN (VALUES ('trial'), ('starter'), ('professional'), ('enterprise')) AS known (word)
    ON word = tier
 WHERE word IS NULL

-- check: tier-allowance-mismatch
SELECT 1 FROM user_credits
  JOIN (VALUES ('trial', 100), ('starter', 1000), ('professional', 10000), ('enterprise', NULL))
    AS plan (word, credits) ON word = tier
 WHERE coalesce(monthly_allowance, -7) <> coalesce(credits, -7)

-- check: power-level-domain
SELECT 1 FROM user_credits AS uc
  LEFT JOIN power_level_configs AS c ON c.power_level = uc.power_level AND c.is_active
 WHERE c.id IS NULL

-- check: power-level-config
SELECT 1 FROM power_level_configs
 WHERE cost_multiplier IS NULL OR cost_multiplier <= 0
    OR cost_multiplier::text IN ('NaN', 'Infinity')
    OR coalesce(max_latency_ms, 0) <= 0
    OR coalesce(min_quality_score NOT BETWEEN 0 AND 100, true)
    OR coalesce(array_ndims(preferred_providers), 0) <> 1
    OR EXISTS (SELECT 1 FROM unnest(preferred_providers) AS provider
                WHERE coalesce(provider, '') = '')
