-- title: a balance is a number, and below zero only as far as something explains it
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: whether a negative balance is allowed depends on the entries
-- why: two requests read the same balance and both spent it, or a writer did not check at all.
--   The user got service that nobody paid for. NaN is worse: no comparison refuses it.
-- remedy: look at the entries: SELECT * FROM public.credit_transactions WHERE user_id = <user>
--   ORDER BY id DESC. When the usage was real, send an invoice or write it off with
--   public.add_user_credits(<user>, <missing>, 'admin_adjustment', <ticket>, <reason>). For a
--   user who was moved down from enterprise, settle the open amount the same way.
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1,
--    "transaction_type": "refund", "amount": -2, "balance_after": -2},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 2,
--    "transaction_type": "usage", "amount": -1, "balance_after": -3}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": -3, "tier": "trial"}]}
-- incremental: SELECT FROM public.user_credits WHERE balance = 'NaN' OR (balance < 0 AND tier IS
--   DISTINCT FROM 'enterprise')

-- Explained are the tier enterprise, and refund or admin_adjustment debits, which may go below
-- zero: usage beyond the balance is refused, so it never adds to what is below zero. That is, the
-- balance is not lower than it stood after any entry (or at the start, or at zero where it stood
-- higher) less what such debits took from below zero since. Debits of the past that were covered
-- explain nothing. Which entry did it is entry-balance-negative-unexplained. Before schema 1.1.0
-- the name entry_seq means the one beside the table. A balance of NULL is left to the column, which
-- refuses it.
WITH negative AS MATERIALIZED (
    SELECT user_id, balance, tier
      FROM public.user_credits
     WHERE balance = 'NaN'
        OR (balance < 0 AND tier IS DISTINCT FROM 'enterprise')
), placed AS NOT MATERIALIZED (
    SELECT e.*,
           CASE WHEN e.transaction_type IN ('refund', 'admin_adjustment')
                 AND e.balance_after < 0 AND e.amount < 0 AND e.amount > '-Infinity'
                THEN greatest(e.amount, e.balance_after) ELSE 0 END AS debit
      FROM (VALUES (NULL::bigint)) AS unnumbered (entry_seq)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.transaction_type, t.amount, t.balance_after,
                coalesce(entry_seq, t.id - 4611686018427387904) AS place
           FROM public.credit_transactions AS t
          WHERE t.user_id IN (SELECT n.user_id FROM negative AS n)
     ) AS e
), stood AS (
    SELECT p.user_id, p.debit, least(p.balance_after, 0) AS balance,
           sum(p.debit) OVER w - p.debit AS debits_since
      FROM placed AS p
    WINDOW w AS (PARTITION BY p.user_id ORDER BY p.place DESC, p.id DESC ROWS UNBOUNDED PRECEDING)
), explained AS (
    SELECT s.user_id, greatest(sum(s.debit), max(s.balance + s.debits_since)) AS balance
      FROM stood AS s
     GROUP BY s.user_id
)
SELECT 'user ' || n.user_id AS subject,
       'at least ' || trim_scale(coalesce(e.balance, 0)) AS expected,
       trim_scale(n.balance)::text AS actual,
       nullif(n.balance - coalesce(e.balance, 0), 'NaN') AS difference,
       CASE WHEN n.balance = 'NaN' THEN 'not-a-number' ELSE 'overspend' END AS cause,
       format('tier %s; refund and admin_adjustment debits explain %s',
              n.tier, trim_scale(coalesce(e.balance, 0))) AS detail
  FROM negative AS n
  LEFT JOIN explained AS e ON e.user_id = n.user_id
 WHERE n.balance = 'NaN'
    OR n.balance < coalesce(e.balance, 0);
