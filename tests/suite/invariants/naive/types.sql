-- check: type-domain
SELECT 1 FROM credit_transactions
  LEFT JOIN (VALUES ('purchase'), ('usage'), ('refund'), ('admin_adjustment'), ('bonus'))
         AS known (word) ON word = transaction_type
 WHERE word IS NULL

-- check: sign-purchase
SELECT 1 FROM credit_transactions WHERE transaction_type = 'purchase' AND sign(amount) IN (0, -1)

-- check: sign-bonus
SELECT 1 FROM credit_transactions WHERE transaction_type = 'bonus' AND sign(amount) IN (0, -1)

-- check: sign-usage
SELECT 1 FROM credit_transactions WHERE transaction_type = 'usage' AND sign(amount) IN (0, 1)

-- check: entry-amount-zero
SELECT 1 FROM credit_transactions
 WHERE sign(amount) = 0 AND transaction_type IN ('refund', 'admin_adjustment')

-- check: amount-not-finite
SELECT 1 FROM credit_transactions CROSS JOIN LATERAL (VALUES (amount), (balance_after)) AS v (x)
 WHERE coalesce(x::text, 'NaN') IN ('NaN', 'Infinity', '-Infinity')

-- check: balance-not-finite
SELECT 1 FROM user_credits WHERE coalesce(balance::text, 'NaN') IN ('NaN', 'Infinity', '-Infinity')

-- check: amount-outlier
WITH ordered AS (
    SELECT transaction_type, abs(amount) AS size, count(*) OVER types AS number,
           row_number() OVER (types ORDER BY abs(amount)) AS place
      FROM credit_transactions
     WHERE amount::text NOT IN ('NaN', 'Infinity', '-Infinity')
    WINDOW types AS (PARTITION BY transaction_type)
)
SELECT 1 FROM ordered AS a JOIN ordered AS usual
    ON usual.transaction_type = a.transaction_type
   AND usual.place = ceil(usual.number * 0.999)
 WHERE usual.number > 1000 AND a.size > 1000 * usual.size

-- check: adjustment-explained
SELECT 1 FROM credit_transactions
 WHERE transaction_type = 'admin_adjustment'
   AND (description IS NULL OR description !~ '\S')

-- check: refund-has-origin
SELECT 1 FROM credit_transactions AS r
  LEFT JOIN credit_transactions AS o
    ON o.user_id = r.user_id AND o.reference_id = r.reference_id AND o.$place < r.$place
   AND trim(o.reference_id) NOT IN ('', 'None', 'null', 'undefined')
   AND (r.amount < 0 AND o.transaction_type = 'purchase'
        OR r.amount >= 0 AND o.transaction_type = 'usage')
  LEFT JOIN credit_transactions AS n
    ON n.user_id = r.user_id AND n.transaction_type = 'admin_adjustment'
   AND n.reference_id = concat('entry ', r.id)
 WHERE r.transaction_type = 'refund' AND r.amount <> 0 AND o.id IS NULL AND n.id IS NULL

-- check: refund-within-origin
WITH entries AS (
    SELECT * FROM credit_transactions
     WHERE trim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND amount::text NOT IN ('NaN', 'Infinity', '-Infinity')
)
SELECT 1
  FROM (SELECT DISTINCT user_id, reference_id, sign(amount) AS sign FROM entries
         WHERE transaction_type = 'refund' AND amount <> 0) AS r
 CROSS JOIN LATERAL (
     SELECT (SELECT abs(sum(amount)) FROM entries AS e
              WHERE e.user_id = r.user_id AND e.reference_id = r.reference_id
                AND e.transaction_type = 'refund' AND sign(e.amount) = r.sign) AS back,
            (SELECT coalesce(sum(amount), 0) FROM entries AS e
              WHERE e.user_id = r.user_id AND e.transaction_type = 'admin_adjustment'
                AND (e.reference_id = r.reference_id
                     OR starts_with(e.reference_id, r.reference_id || ' part ')
                        AND substr(e.reference_id, length(r.reference_id) + 7) ~ '^[0-9]+$'))
                AS adjusted,
            (SELECT sum(amount) FROM entries AS e
              WHERE e.user_id = r.user_id AND e.reference_id = r.reference_id
                AND e.transaction_type = CASE r.sign WHEN 1 THEN 'usage' ELSE 'purchase' END)
                AS origin
     ) AS s
 WHERE origin * r.sign < 0 AND back + r.sign * adjusted > abs(origin)
