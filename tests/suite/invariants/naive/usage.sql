-- check: usage-unbilled
SELECT 1 FROM llm_usage_log AS l
  LEFT JOIN credit_transactions AS ct
    ON ct.user_id = l.user_id AND ct.reference_id = l.request_id AND ct.transaction_type = 'usage'
 WHERE l.success AND NOT l.byok_used AND l.credits_used > 0 AND l.credits_used <> 'NaN'
   AND trim(l.request_id) NOT IN ('', 'None', 'null', 'undefined')
   AND l.created_at < now() - interval '15 minutes' AND ct.id IS NULL

-- check: charge-without-usage
SELECT 1 FROM (
    SELECT user_id, reference_id, min(created_at) AS first_at FROM credit_transactions
     WHERE transaction_type = 'usage' GROUP BY user_id, reference_id) AS c
  LEFT JOIN llm_usage_log AS l ON l.user_id = c.user_id AND l.request_id = c.reference_id
 WHERE l.id IS NULL
   AND trim(c.reference_id) NOT IN ('', 'None', 'null', 'undefined')
   AND first_at < now() - interval '15 minutes'
   AND first_at >= (SELECT least(coalesce(min(created_at), now() - interval '30 days'), now())
                             + interval '15 minutes'
                      FROM llm_usage_log WHERE created_at >= '2020-01-01 UTC')
   AND (SELECT sum(amount) FROM $parts AS ct
         WHERE ct.user_id = c.user_id AND ct.reference_id = c.reference_id
           AND (transaction_type = 'usage'
                OR transaction_type IN ('refund', 'admin_adjustment') AND amount > 0)) < 0

-- check: usage-amount-mismatch
SELECT 1 FROM (
    SELECT l.*, count(*) OVER (PARTITION BY l.user_id, l.request_id) AS rows,
           (SELECT count(*) FROM credit_transactions AS ct
             WHERE ct.user_id = l.user_id AND ct.reference_id = l.request_id
               AND ct.transaction_type = 'usage') AS charges
      FROM llm_usage_log AS l
     WHERE trim(l.request_id) NOT IN ('', 'None', 'null', 'undefined')) AS t
 WHERE rows = 1 AND charges >= 1
   AND created_at < now() - interval '15 minutes'
   AND NOT EXISTS (
           SELECT 1 FROM unnest(ARRAY['', ' refund']) AS refunds,
                         unnest(ARRAY['', ' part']) AS parts,
                         unnest(ARRAY['', ' admin_adjustment']) AS more
            WHERE t.credits_used IS NOT DISTINCT FROM (
                      SELECT -sum(ct.amount) FROM $parts AS ct
                       WHERE ct.user_id = t.user_id AND ct.reference_id = t.request_id
                         AND CASE WHEN ct.transaction_type = 'admin_adjustment' AND ct.amount > 0
                                  THEN 'part' ELSE ct.transaction_type END
                             = ANY (string_to_array('usage' || refunds || parts || more, ' '))))
   AND (charges = 1
        OR NOT EXISTS (
           SELECT 1 FROM unnest(ARRAY['', ' refund']) AS refunds,
                         unnest(ARRAY['', ' part']) AS parts,
                         unnest(ARRAY['', ' admin_adjustment']) AS more
            WHERE t.credits_used <= (
                      SELECT -sum(ct.amount) FROM $parts AS ct
                       WHERE ct.user_id = t.user_id AND ct.reference_id = t.request_id
                         AND CASE WHEN ct.transaction_type = 'admin_adjustment' AND ct.amount > 0
                                  THEN 'part' ELSE ct.transaction_type END
                             = ANY (string_to_array('usage' || refunds || parts || more, ' ')))))

-- check: usage-user-mismatch
SELECT 1 FROM llm_usage_log AS l
  JOIN credit_transactions AS ct
    ON ct.reference_id = l.request_id AND ct.transaction_type = 'usage' AND ct.user_id <> l.user_id
  LEFT JOIN credit_transactions AS own
    ON own.reference_id = l.request_id AND own.transaction_type = 'usage'
   AND own.user_id = l.user_id
  LEFT JOIN llm_usage_log AS other
    ON other.request_id = l.request_id AND other.user_id = ct.user_id
 WHERE own.id IS NULL AND other.id IS NULL
   AND l.success AND NOT l.byok_used AND l.credits_used > 0 AND l.credits_used <> 'NaN'
   AND trim(l.request_id) NOT IN ('', 'None', 'null', 'undefined')
   AND l.created_at < now() - interval '15 minutes'

-- check: usage-user-unknown
SELECT user_id FROM llm_usage_log WHERE success
EXCEPT SELECT user_id FROM user_credits
EXCEPT SELECT user_id FROM credit_transactions

-- check: usage-sum-per-day
WITH rows (user_id, at, difference) AS (
    SELECT user_id, created_at, amount FROM credit_transactions
     WHERE transaction_type = 'usage' AND amount::text NOT IN ('NaN', 'Infinity', '-Infinity')
       AND coalesce(trim(reference_id), '') IN ('', 'None', 'null', 'undefined')
    UNION ALL
    SELECT user_id, created_at, credits_used FROM llm_usage_log
     WHERE success AND NOT byok_used AND credits_used > 0
       AND credits_used::text NOT IN ('NaN', 'Infinity')
       AND coalesce(trim(request_id), '') IN ('', 'None', 'null', 'undefined')
), uneven AS (
    SELECT user_id, (at AT TIME ZONE 'UTC')::date AS day, sum(difference) AS difference,
           max(at) AS last_at
      FROM rows
     WHERE isfinite(at)
       AND at >= (SELECT min(created_at) FROM llm_usage_log WHERE created_at >= '2020-01-01 UTC')
     GROUP BY 1, 2 HAVING sum(difference) <> 0
), oldest AS (
    SELECT ((least(min(created_at), now()) + interval '15 minutes') AT TIME ZONE 'UTC')::date AS day
      FROM llm_usage_log WHERE created_at >= '2020-01-01 UTC'
), marked AS (
    SELECT d.*, 'usage of ' || d.day IN (
               SELECT reference_id FROM credit_transactions AS ct
                WHERE ct.user_id = d.user_id
                  AND ct.transaction_type = 'admin_adjustment') AS settled
      FROM uneven AS d
), days AS (
    SELECT d.* FROM marked AS d, oldest AS o
     WHERE d.day > o.day
       AND NOT (d.day - 1 = o.day
                AND EXISTS (SELECT 1 FROM marked AS e
                             WHERE e.user_id = d.user_id AND e.day = o.day
                               AND e.settled IS NOT TRUE))
)
SELECT 1 FROM days AS a JOIN days AS z ON z.user_id = a.user_id AND z.day >= a.day
 CROSS JOIN LATERAL (SELECT count(*) AS number, sum(difference) AS difference,
                            max(last_at) AS last_at,
                            count(*) FILTER (WHERE settled) AS settled
                       FROM days AS d
                      WHERE d.user_id = a.user_id AND d.day BETWEEN a.day AND z.day) AS run
 WHERE run.number = z.day - a.day + 1 AND run.difference <> 0 AND run.settled = 0
   AND run.last_at < now() - interval '15 minutes'
   AND NOT EXISTS (SELECT 1 FROM days AS d
                    WHERE d.user_id = a.user_id AND d.day = a.day - 1 AND d.settled IS NOT TRUE)
   AND NOT EXISTS (SELECT 1 FROM days AS d WHERE d.user_id = a.user_id AND d.day = z.day + 1)

-- check: failed-but-charged
SELECT 1 FROM llm_usage_log WHERE NOT success AND sign(credits_used) = 1

-- check: byok-charged
SELECT 1 FROM llm_usage_log WHERE byok_used AND success AND sign(credits_used) = 1

-- check: success-but-free
SELECT 1 FROM llm_usage_log
 WHERE sign(credits_used) = 0 AND success AND NOT byok_used AND total_tokens >= 1

-- check: credits-negative
SELECT 1 FROM llm_usage_log
 WHERE sign(credits_used) = -1 OR coalesce(credits_used::text, 'NaN') IN ('NaN', 'Infinity')

-- check: tokens-add-up
SELECT 1 FROM llm_usage_log
 WHERE least(prompt_tokens, completion_tokens) >= 0
   AND total_tokens - prompt_tokens::numeric - completion_tokens <> 0

-- check: tokens-negative
SELECT 1 FROM llm_usage_log WHERE least(prompt_tokens, completion_tokens, total_tokens) < 0

-- check: latency-implausible
SELECT 1 FROM llm_usage_log WHERE latency_ms NOT BETWEEN 0 AND 3600 * 1000

-- check: status-incoherent
SELECT 1 FROM llm_usage_log WHERE success = (coalesce(error_message, '') ~ '[^ ]')

-- check: cost-implausible
SELECT 1 FROM (
    SELECT model, power_level, array_agg(credits_used / total_tokens) AS rates,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY credits_used / total_tokens) AS usual
      FROM llm_usage_log
     WHERE success AND NOT byok_used AND total_tokens > 0
       AND credits_used > 0 AND credits_used::text NOT IN ('NaN', 'Infinity')
     GROUP BY model, power_level HAVING count(*) >= 20) AS t
 CROSS JOIN unnest(rates) AS rate
 WHERE rate > 20 * usual OR 20 * rate < usual
