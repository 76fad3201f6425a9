-- title: no more is given back than was paid or charged
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare a row with a sum over others
-- why: a refund was booked twice, or several partial refunds add up to more than the whole. The
--   surplus is spent, and no single entry looks wrong.
-- remedy: take the surplus back: SELECT * FROM public.debit_user_credits(<user>, <difference>,
--   'admin_adjustment', <reference>, 'refunded too much'); for money that went back to the payer,
--   public.add_user_credits with the same arguments. The finding ends with it. Where an adjustment
--   has that reference already, as a second part of a refund does, pass '<reference> part <n>' with
--   the next number.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "refund", "amount": 3,
--    "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "refund", "amount": 3,
--    "reference_id": "a"}]}
-- incremental: SELECT FROM public.credit_transactions AS t WHERE (t.user_id, t.reference_id) IN
--   (SELECT n.user_id, n.reference_id FROM public.credit_transactions AS n WHERE n.id > $entries
--   AND (n.transaction_type IN ('refund', 'admin_adjustment') OR (n.transaction_type = 'purchase'
--   AND EXISTS (SELECT FROM public.credit_transactions AS r WHERE r.user_id = n.user_id AND
--   r.transaction_type = 'refund' AND r.reference_id = n.reference_id AND btrim(r.reference_id) NOT
--   IN ('', 'None', 'null', 'undefined'))))) GROUP BY t.user_id, t.reference_id HAVING
--   bool_or(t.transaction_type = 'usage') AND sum(t.amount) FILTER (WHERE t.transaction_type IN
--   ('usage', 'admin_adjustment') OR (t.transaction_type = 'refund' AND t.amount > 0)) > 0 OR
--   bool_or(t.transaction_type = 'purchase') AND sum(t.amount) FILTER (WHERE t.transaction_type IN
--   ('purchase', 'admin_adjustment') OR (t.transaction_type = 'refund' AND t.amount < 0)) < 0 UNION
--   ALL SELECT FROM public.credit_transactions AS n WHERE n.id > $entries AND n.transaction_type =
--   'admin_adjustment' AND n.reference_id ~ ' part [0-9]+$'

-- Per user and reference: positive refunds against usage, negative ones against purchases. An
-- admin_adjustment with the reference is a second part, or corrects the sum, and so do those with
-- '<reference> part 3' and so on. A refund without an origin is refund-has-origin. What was
-- refunded and corrected comes first, because it is little: its origins are looked up then, each by
-- its type, as the unique index has them.
-- Between full audits, a usage after its refund is not looked at, as every request would be asked
-- for one: refund-has-origin was. A purchase is: there are few, and the unique index finds refunds.
WITH refunded AS MATERIALIZED (
    SELECT user_id, reference_id,
           CASE WHEN amount < 0 THEN 'purchase' ELSE 'usage' END AS origin,
           sum(abs(amount)) AS part
      FROM public.credit_transactions
     WHERE transaction_type = 'refund'
       AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND amount > '-Infinity' AND amount < 'Infinity'
     GROUP BY 1, 2, 3
), adjusted AS (
    SELECT a.user_id, origin.reference_id, sum(a.amount) AS total
      FROM public.credit_transactions AS a
     CROSS JOIN LATERAL (
         SELECT a.reference_id
          UNION
         SELECT regexp_replace(a.reference_id, ' part [0-9]+$', '')
     ) AS origin (reference_id)
     WHERE a.transaction_type = 'admin_adjustment'
       AND a.amount > '-Infinity' AND a.amount < 'Infinity'
     GROUP BY a.user_id, origin.reference_id
), origins AS (
    SELECT r.user_id, r.reference_id, r.origin, r.part,
           sum(CASE r.origin WHEN 'usage' THEN -o.amount ELSE o.amount END) AS whole
      FROM refunded AS r
      JOIN public.credit_transactions AS o
        ON o.user_id = r.user_id
       AND o.transaction_type = r.origin
       AND o.reference_id = r.reference_id
     WHERE btrim(o.reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND o.amount > '-Infinity' AND o.amount < 'Infinity'
     GROUP BY r.user_id, r.reference_id, r.origin, r.part
), surpluses AS (
    SELECT o.*,
           o.part - o.whole
           + CASE o.origin WHEN 'usage' THEN 1 ELSE -1 END * coalesce(a.total, 0) AS surplus
      FROM origins AS o
      LEFT JOIN adjusted AS a
        ON a.user_id = o.user_id AND a.reference_id = o.reference_id
     WHERE o.part > 0 AND o.whole > 0
)
SELECT format('reference %s of user %s', reference_id, user_id) AS subject,
       'at most ' || trim_scale(whole) AS expected,
       trim_scale(whole + surplus)::text AS actual,
       surplus AS difference,
       CASE WHEN part = 2 * whole THEN 'double-refund' ELSE 'partial-refunds' END AS cause,
       'refunds of the ' || origin AS detail
  FROM surpluses
 WHERE surplus > 0;
