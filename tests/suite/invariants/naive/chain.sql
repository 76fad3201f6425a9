-- check: chain-continuity
SELECT 1 FROM (
    SELECT amount, balance_after, lag(balance_after) OVER w AS before, row_number() OVER w AS number
      FROM credit_transactions
    WINDOW w AS (PARTITION BY user_id ORDER BY $place)) AS t
 WHERE balance_after IS DISTINCT FROM CASE number WHEN 1 THEN 0 ELSE before END + amount
    OR amount = 'NaN'

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
  JOIN credit_transactions AS ct ON ct.user_id = uc.user_id
 WHERE uc.balance IS DISTINCT FROM ct.balance_after
   AND ct.$place = (SELECT max($place) FROM credit_transactions AS t
                     WHERE t.user_id = uc.user_id)

-- check: balance-equals-sum
SELECT 1 FROM user_credits AS uc JOIN credit_transactions AS ct ON ct.user_id = uc.user_id
 GROUP BY uc.user_id, uc.balance
HAVING uc.balance IS DISTINCT FROM sum(ct.amount)

-- check: balance-row-missing
(SELECT user_id FROM credit_transactions UNION SELECT user_id FROM user_provider_keys)
EXCEPT SELECT user_id FROM user_credits

-- check: balance-row-duplicate
SELECT 1 FROM user_credits AS a JOIN user_credits AS b
    ON b.user_id = a.user_id AND b.ctid <> a.ctid

-- check: balance-without-history
SELECT 1 FROM user_credits AS uc LEFT JOIN credit_transactions AS ct ON ct.user_id = uc.user_id
 WHERE ct.id IS NULL AND (uc.balance <> 0 OR uc.balance IS NULL)

-- check: balance-negative-unexplained
WITH points AS (
    SELECT user_id, $place AS place, id, balance_after AS level FROM credit_transactions
     UNION ALL
    SELECT user_id, -1, -1, 0 FROM user_credits
)
SELECT 1 FROM user_credits AS uc
 WHERE balance = 'NaN'
    OR balance < 0 AND tier IS DISTINCT FROM 'enterprise'
   AND EXISTS (
           SELECT 1 FROM points AS p
            WHERE p.user_id = uc.user_id
              AND uc.balance < least(p.level, 0) + coalesce((
                      SELECT sum(greatest(d.amount, d.balance_after))
                        FROM credit_transactions AS d
                       WHERE d.user_id = uc.user_id AND (d.$place, d.id) > (p.place, p.id)
                         AND d.amount < 0 AND d.amount > '-Infinity' AND d.balance_after < 0
                         AND d.transaction_type IN ('refund', 'admin_adjustment')), 0))

-- check: entry-balance-negative-unexplained
WITH overdrawn AS (
    SELECT e.user_id, e.id, e.$place AS place
      FROM credit_transactions AS e LEFT JOIN user_credits AS uc ON uc.user_id = e.user_id
     WHERE uc.tier IS DISTINCT FROM 'enterprise'
       AND e.balance_after < 0
       AND e.amount < 0
       AND coalesce(e.transaction_type, '') NOT IN ('refund', 'admin_adjustment')
)
SELECT 1 FROM overdrawn AS o
 WHERE NOT EXISTS (SELECT 1 FROM overdrawn AS l JOIN credit_transactions AS n
                       ON n.user_id = l.user_id AND n.transaction_type = 'admin_adjustment'
                      AND n.reference_id = concat('entry ', l.id)
                    WHERE l.user_id = o.user_id AND l.place >= o.place)

-- check: entry-order-disagrees
SELECT 1 FROM (
    SELECT created_at, lag(created_at) OVER (PARTITION BY user_id ORDER BY $place) AS before
      FROM credit_transactions
     WHERE created_at > '2020-01-01 UTC' AND created_at < now() + interval '5 minutes') AS t
 WHERE created_at < before - interval '1 second'

-- check: trial-balance
SELECT 1 WHERE (SELECT coalesce(sum(balance), 0) FROM user_credits)
            <> (SELECT coalesce(sum(amount), 0) FROM credit_transactions)
