-- title: no entry took a balance further below zero than something explains
-- kind: query
-- table: credit_transactions
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: whether a negative balance is allowed depends on the entries before it
-- why: two requests read the same balance and both spent it, and a later purchase covered the hole.
--   The balance looks right today; the way to spend more than there is is still open.
-- remedy: look at the entries around it: SELECT * FROM public.credit_transactions WHERE user_id =
--   <user> ORDER BY id. Close the way, then put on record what became of it: SELECT * FROM
--   public.add_user_credits(<user>, <credits>, 'admin_adjustment', 'entry <id>', <reason>), with
--   what is written off, or with 0.00000001 when it has been paid since.
-- suspects: (balance_after < 0) IS TRUE AND NOT EXISTS (SELECT FROM public.user_credits AS uc WHERE
--   uc.user_id = credit_transactions.user_id AND uc.tier = 'enterprise')
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1,
--    "transaction_type": "refund", "amount": -1, "balance_after": -1},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 2,
--    "transaction_type": "usage", "amount": -1, "balance_after": -2}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "tier": "trial"}]}
-- incremental: SELECT FROM public.credit_transactions AS n WHERE n.id > $entries AND
--   n.balance_after < 0 AND CASE WHEN EXISTS (SELECT FROM public.user_credits AS uc WHERE
--   uc.user_id = n.user_id AND uc.tier = 'enterprise') THEN false ELSE n.balance_after < (SELECT
--   coalesce(sum(d.amount), 0) FROM public.credit_transactions AS d WHERE d.user_id = n.user_id AND
--   d.id <= n.id AND d.transaction_type IN ('refund', 'admin_adjustment') AND d.amount < 0) END

-- One finding per user, the first such entry. Explained are the tier enterprise, refund and
-- admin_adjustment debits up to the entry (by no more than their sum), and an admin_adjustment
-- whose reference names the entry. The balance of today is balance-negative-unexplained, NaN is
-- amount-not-finite. Before schema 1.1.0 the name entry_seq means the one beside the table.
-- The sums over refunds are asked for only where the tier does not answer already, hence the CASE.
-- Between full audits, what the tier explained when the entry was sealed is not asked again.
WITH suspects AS MATERIALIZED (
    SELECT DISTINCT ct.user_id
      FROM public.credit_transactions AS ct
     WHERE ct.balance_after < 0
       AND NOT EXISTS (SELECT FROM public.user_credits AS uc
                        WHERE uc.user_id = ct.user_id AND uc.tier = 'enterprise')
), placed AS NOT MATERIALIZED (
    SELECT e.*
      FROM (VALUES (NULL::bigint)) AS unnumbered (entry_seq)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.transaction_type, t.amount, t.balance_after, t.reference_id,
                t.created_at, coalesce(entry_seq, t.id - 4611686018427387904) AS place
           FROM public.credit_transactions AS t
          WHERE t.user_id IN (SELECT s.user_id FROM suspects AS s)
     ) AS e
), explained AS (
    SELECT p.*,
           coalesce(sum(p.amount) FILTER (
               WHERE p.transaction_type IN ('refund', 'admin_adjustment') AND p.amount < 0
           ) OVER (PARTITION BY p.user_id ORDER BY p.place), 0) AS debits
      FROM placed AS p
), overdrawn AS (
    SELECT DISTINCT ON (x.user_id) x.*,
           count(*) OVER (PARTITION BY x.user_id) AS number
      FROM explained AS x
     WHERE x.balance_after < 0 AND x.balance_after < x.debits
       AND NOT EXISTS (SELECT FROM placed AS n
                        WHERE n.user_id = x.user_id
                          AND n.transaction_type = 'admin_adjustment'
                          AND n.reference_id = 'entry ' || x.id)
     ORDER BY x.user_id, x.place
)
SELECT format('user %s entry %s', o.user_id, o.id) AS subject,
       'at least ' || trim_scale(o.debits) AS expected,
       trim_scale(o.balance_after)::text AS actual,
       nullif(o.balance_after - o.debits, 'NaN') AS difference,
       'overspend'::text AS cause,
       format('%s of %s, written %s; such entries of this user: %s', o.transaction_type,
              trim_scale(o.amount), o.created_at, o.number) AS detail
  FROM overdrawn AS o;
