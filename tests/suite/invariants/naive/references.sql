-- check: request-id-duplicate
SELECT 1 FROM llm_usage_log AS a JOIN llm_usage_log AS b
    ON b.user_id = a.user_id AND b.request_id = a.request_id AND b.id > a.id
 WHERE trim(a.request_id) NOT IN ('', 'None', 'null', 'undefined')

-- check: request-id-collision
WITH open AS (
    SELECT id, user_id, request_id FROM llm_usage_log
    EXCEPT
    SELECT l.id, l.user_id, l.request_id FROM llm_usage_log AS l JOIN credit_transactions AS n
        ON n.user_id = l.user_id AND n.transaction_type = 'admin_adjustment'
       AND n.reference_id = concat('request ', l.request_id)
)
SELECT 1 FROM open AS a JOIN open AS b
    ON b.user_id <> a.user_id AND b.request_id = a.request_id
 WHERE trim(a.request_id) NOT IN ('', 'None', 'null', 'undefined')

-- check: request-id-missing
SELECT 1 FROM llm_usage_log
 WHERE coalesce(trim(E' \t\r\n' FROM request_id), '') IN ('', 'None', 'null', 'undefined')
   AND (success OR coalesce(credits_used, 1) <> 0)

-- check: purchase-reference-missing
SELECT 1 FROM credit_transactions
 WHERE transaction_type = 'purchase'
   AND coalesce(trim(E' \t\r\n' FROM reference_id), '') IN ('', 'None', 'null', 'undefined')

-- check: purchase-reference-duplicate
WITH money AS (
    SELECT * FROM $parts AS entries
     WHERE trim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND (transaction_type = 'purchase'
            OR transaction_type IN ('refund', 'admin_adjustment') AND amount < 0)
), nets AS (
    SELECT m.user_id, m.reference_id,
           (SELECT sum(n.amount) FROM money AS n
             WHERE n.user_id = m.user_id AND n.reference_id = m.reference_id) AS net
      FROM (SELECT DISTINCT user_id, reference_id FROM money
             WHERE transaction_type = 'purchase') AS m
), totals AS (
    SELECT reference_id, sum(net) AS total FROM nets WHERE net > 0 GROUP BY reference_id
)
SELECT 1 FROM totals AS t
 WHERE 1 < (SELECT count(*) FROM money AS m
             WHERE m.reference_id = t.reference_id AND m.transaction_type = 'purchase')
   AND total > (SELECT min(m.amount) FROM money AS m
                 WHERE m.reference_id = t.reference_id AND m.amount > 0)
   AND NOT EXISTS (SELECT 1 FROM money AS m
                    WHERE m.reference_id = t.reference_id AND m.transaction_type = 'purchase'
                      AND m.amount = t.total)

-- check: usage-reference-duplicate
WITH credits AS (
    SELECT * FROM credit_transactions
     WHERE trim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND (transaction_type = 'usage'
            OR transaction_type IN ('refund', 'admin_adjustment') AND amount > 0)
), prices AS (
    SELECT l.* FROM llm_usage_log AS l
     WHERE created_at < now() - interval '15 minutes' AND credits_used <> 'NaN'
       AND NOT EXISTS (SELECT 1 FROM llm_usage_log AS m WHERE m.user_id = l.user_id
                          AND m.request_id = l.request_id AND m.id <> l.id)
), nets AS (
    SELECT c.*, (SELECT sum(d.amount) FROM credits AS d WHERE d.user_id = c.user_id
                    AND d.reference_id = c.reference_id) AS net
      FROM credits AS c
     WHERE c.transaction_type = 'usage'
       AND EXISTS (SELECT 1 FROM credits AS d WHERE d.user_id = c.user_id AND d.id <> c.id
                      AND d.reference_id = c.reference_id AND d.transaction_type = 'usage')
)
SELECT 1 FROM nets AS n LEFT JOIN prices AS p
    ON p.user_id = n.user_id AND p.request_id = n.reference_id
 WHERE net < coalesce(-p.credits_used, n.amount)
   AND (p.id IS NOT NULL
        OR NOT EXISTS (SELECT 1 FROM credits AS d WHERE d.user_id = n.user_id
                          AND d.reference_id = n.reference_id AND d.transaction_type = 'usage'
                          AND (d.amount > n.amount OR d.amount = n.net)))

-- check: reference-reused
SELECT 1 FROM credit_transactions AS a JOIN credit_transactions AS b
    ON b.user_id = a.user_id AND b.reference_id = a.reference_id
   AND b.transaction_type = a.transaction_type AND b.id > a.id
 WHERE trim(a.reference_id) NOT IN ('', 'None', 'null', 'undefined')

-- check: reference-type-collision
SELECT 1 FROM credit_transactions AS a JOIN credit_transactions AS b
    ON b.reference_id = a.reference_id
   AND a.transaction_type = 'purchase' AND b.transaction_type = 'usage'
 WHERE trim(a.reference_id) NOT IN ('', 'None', 'null', 'undefined')

-- check: near-duplicate-credit
SELECT 1 FROM (
    SELECT user_id, reference_id, created_at,
           lag(reference_id) OVER w AS other, lag(created_at) OVER w AS before
      FROM credit_transactions
     WHERE transaction_type = 'purchase'
       AND trim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND (user_id, reference_id) NOT IN (
               SELECT s.user_id, s.reference_id FROM credit_transactions AS s
                WHERE s.reference_id IS NOT NULL
                  AND (s.transaction_type = 'admin_adjustment'
                       OR s.transaction_type = 'refund' AND s.amount < 0))
    WINDOW w AS (PARTITION BY user_id, amount ORDER BY created_at, id)) AS t
 WHERE reference_id <> other AND created_at - interval '10 minutes' <= before
