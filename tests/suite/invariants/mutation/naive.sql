-- The invariants once more, as somebody would write them by hand: one query each, with window
-- functions, joins and subqueries, slow and plain. A row is a violation. $place is the order of a
-- chain: entry_seq, or id where there is none.

-- check: chain-continuity
SELECT 1 FROM (
    SELECT amount, balance_after,
           lag(balance_after) OVER (PARTITION BY user_id ORDER BY $place) AS before
      FROM credit_transactions) AS t
 WHERE balance_after <> coalesce(before, 0) + amount OR amount = 'NaN'

-- check: chain-sequence
SELECT 1 FROM (
    SELECT $place AS place, row_number() OVER (PARTITION BY user_id ORDER BY $place) AS number
      FROM credit_transactions) AS t
 WHERE '$place' = 'entry_seq' AND place <> number
UNION ALL
SELECT 1 FROM user_credits AS uc
 WHERE '$place' = 'entry_seq'
   AND (to_jsonb(uc) ->> 'last_entry_seq')::bigint
       <> (SELECT coalesce(max($place), 0) FROM credit_transactions AS ct
            WHERE ct.user_id = uc.user_id)

-- check: balance-equals-last
SELECT 1 FROM user_credits AS uc
 WHERE uc.balance <> (SELECT ct.balance_after FROM credit_transactions AS ct
                       WHERE ct.user_id = uc.user_id ORDER BY $place DESC LIMIT 1)

-- check: balance-equals-sum
SELECT 1 FROM user_credits AS uc
 WHERE uc.balance <> (SELECT sum(ct.amount) FROM credit_transactions AS ct
                       WHERE ct.user_id = uc.user_id)

-- check: balance-row-missing
SELECT 1 FROM (SELECT user_id FROM credit_transactions
               UNION SELECT user_id FROM user_provider_keys) AS known
 WHERE user_id NOT IN (SELECT user_id FROM user_credits)

-- check: balance-without-history
SELECT 1 FROM user_credits
 WHERE balance <> 0 AND user_id NOT IN (SELECT user_id FROM credit_transactions)

-- check: trial-balance
SELECT 1 WHERE (SELECT sum(balance) FROM user_credits)
            <> (SELECT sum(amount) FROM credit_transactions)

-- check: entry-order-disagrees
SELECT 1 FROM (
    SELECT created_at, lag(created_at) OVER (PARTITION BY user_id ORDER BY $place) AS before
      FROM credit_transactions
     WHERE created_at > '2020-01-01' AND created_at < now() + interval '5 minutes') AS t
 WHERE created_at < before - interval '1 second'

-- check: id-time-inversion
SELECT 1 FROM (
    SELECT created_at, max(created_at) OVER (PARTITION BY kind ORDER BY id) AS newest
      FROM (SELECT 1, id, created_at FROM credit_transactions
            UNION ALL SELECT 2, id, created_at FROM llm_usage_log) AS r (kind, id, created_at)
     WHERE created_at > '2020-01-01' AND created_at < now() + interval '5 minutes') AS t
 WHERE created_at < newest - interval '1 day'

-- check: request-id-duplicate
SELECT 1 FROM llm_usage_log AS a JOIN llm_usage_log AS b
    ON b.user_id = a.user_id AND b.request_id = a.request_id AND b.id > a.id

-- check: request-id-collision
SELECT 1 FROM llm_usage_log AS a JOIN llm_usage_log AS b
    ON b.user_id <> a.user_id AND b.request_id = a.request_id

-- check: reference-reused
SELECT 1 FROM credit_transactions AS a JOIN credit_transactions AS b
    ON b.user_id = a.user_id AND b.reference_id = a.reference_id
   AND b.transaction_type = a.transaction_type AND b.id > a.id

-- check: reference-type-collision
SELECT 1 FROM credit_transactions AS a JOIN credit_transactions AS b
    ON b.reference_id = a.reference_id
   AND a.transaction_type = 'purchase' AND b.transaction_type = 'usage'

-- check: near-duplicate-credit
SELECT 1 FROM (
    SELECT user_id, reference_id, created_at,
           lag(reference_id) OVER w AS other, lag(created_at) OVER w AS before
      FROM credit_transactions
     WHERE transaction_type = 'purchase' AND reference_id IS NOT NULL
    WINDOW w AS (PARTITION BY user_id, amount ORDER BY created_at, id)) AS t
 WHERE reference_id <> other AND created_at - before <= interval '10 minutes'
   AND NOT EXISTS (SELECT 1 FROM credit_transactions AS s
                    WHERE s.user_id = t.user_id AND s.reference_id IN (t.reference_id, t.other)
                      AND (s.transaction_type = 'admin_adjustment'
                           OR s.transaction_type = 'refund' AND s.amount < 0))

-- check: refund-has-origin
SELECT 1 FROM credit_transactions AS r
  LEFT JOIN credit_transactions AS o
    ON o.user_id = r.user_id AND o.reference_id = r.reference_id AND o.$place < r.$place
   AND (r.amount < 0 AND o.transaction_type = 'purchase'
        OR r.amount >= 0 AND o.transaction_type = 'usage')
 WHERE r.transaction_type = 'refund' AND r.amount <> 0 AND o.id IS NULL

-- check: usage-unbilled
SELECT 1 FROM llm_usage_log AS l
  LEFT JOIN credit_transactions AS ct
    ON ct.user_id = l.user_id AND ct.reference_id = l.request_id AND ct.transaction_type = 'usage'
 WHERE l.success AND NOT l.byok_used AND l.credits_used > 0 AND l.credits_used <> 'NaN'
   AND l.request_id IS NOT NULL AND l.created_at < now() - interval '15 minutes' AND ct.id IS NULL

-- check: usage-amount-mismatch
SELECT 1 FROM (
    SELECT l.credits_used, l.created_at,
           count(*) OVER (PARTITION BY l.user_id, l.request_id) AS rows,
           (SELECT count(*) FROM credit_transactions AS ct
             WHERE ct.user_id = l.user_id AND ct.reference_id = l.request_id
               AND ct.transaction_type = 'usage') AS charges,
           (SELECT -sum(ct.amount) FROM credit_transactions AS ct
             WHERE ct.user_id = l.user_id AND ct.reference_id = l.request_id
               AND ct.transaction_type = 'usage') AS gross,
           (SELECT -sum(ct.amount) FROM credit_transactions AS ct
             WHERE ct.user_id = l.user_id AND ct.reference_id = l.request_id
               AND ct.transaction_type IN ('usage', 'refund', 'admin_adjustment')) AS net
      FROM llm_usage_log AS l) AS t
 WHERE rows = 1 AND charges = 1 AND credits_used NOT IN (gross, net)
   AND created_at < now() - interval '15 minutes'

-- check: quota-equals-cycle-sum
SELECT 1 FROM user_credits AS uc
 WHERE uc.credits_used_this_month
       <> (SELECT coalesce(-sum(ct.amount), 0) FROM credit_transactions AS ct
            WHERE ct.user_id = uc.user_id AND ct.transaction_type = 'usage'
              AND ct.created_at >= uc.billing_cycle_start)

-- check: cost-implausible
SELECT 1 FROM (
    SELECT model, array_agg(credits_used / total_tokens) AS rates,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY credits_used / total_tokens) AS usual
      FROM llm_usage_log
     WHERE success AND NOT byok_used AND total_tokens > 0
       AND credits_used > 0 AND credits_used <> 'NaN'
     GROUP BY model HAVING count(*) >= 20) AS t
 CROSS JOIN unnest(rates) AS rate
 WHERE rate > 20 * usual OR 20 * rate < usual

-- check: key-shared-ciphertext
SELECT 1 FROM user_provider_keys AS a JOIN user_provider_keys AS b
    ON b.encrypted_key = a.encrypted_key AND b.id <> a.id

-- check: key-default-duplicate
SELECT 1 FROM user_provider_keys AS a JOIN user_provider_keys AS b
    ON b.user_id = a.user_id AND b.provider = a.provider AND b.id <> a.id
   AND a.is_default AND b.is_default
