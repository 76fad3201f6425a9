-- title: the balance of a user is the balance_after of the user's last entry
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare a row with the last row of another table
-- why: somebody changed a balance by hand, or a writer was cut off between the balance and the
--   entry. The user can now spend credits that no entry gave, or lost credits that an entry gave.
-- remedy: see whether the entries themselves are whole: "creditdb verify chain-continuity
--   chain-sequence". When they are, set the balance to the expected value: UPDATE
--   public.user_credits SET balance = <expected>, updated_at = now() WHERE user_id = <user> AND
--   balance = <actual>; when no row was changed, audit again. When credits were meant to change,
--   do that first, and grant them in the same transaction with public.add_user_credits or
--   public.debit_user_credits and type admin_adjustment. Never edit an entry.
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1, "amount": 5,
--    "balance_after": 5},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 2, "amount": 1,
--    "balance_after": 6}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": 5}]}

-- Silent for users without a balance row (balance-row-missing) and without entries
-- (balance-without-history). Whether the entries follow from each other is chain-continuity. The
-- last entry is the one with the highest entry_seq, before schema 1.1.0 the one with the highest
-- id: created_at is evidence, not an order. Where the table has no column entry_seq, the name means
-- the one beside it, which is NULL; entries without a number are older than those with one.
WITH placed AS NOT MATERIALIZED (
    SELECT e.*
      FROM (VALUES (NULL::bigint)) AS unnumbered (entry_seq)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.transaction_type, t.amount, t.balance_after, t.created_at,
                coalesce(entry_seq, t.id - 4611686018427387904) AS place
           FROM public.credit_transactions AS t
     ) AS e
), newest AS (
    SELECT user_id, max(place) AS place
      FROM placed
     GROUP BY user_id
)
SELECT 'user ' || uc.user_id AS subject,
       trim_scale(ct.balance_after)::text AS expected,
       trim_scale(uc.balance)::text AS actual,
       nullif(uc.balance - ct.balance_after, 'NaN') AS difference,
       CASE WHEN uc.balance = ct.balance_after - ct.amount THEN 'lost-update'
            WHEN uc.balance = 0 AND ct.balance_after < 0 THEN 'clamped'
            WHEN round(uc.balance / nullif(ct.balance_after, 0), 6)
                 IN (0.001, 0.01, 0.1, 10, 100, 1000) THEN 'unit-mix'
            ELSE 'unlogged-write' END AS cause,
       format('the last entry is %s: %s of %s, written %s; the balance row was written %s',
              ct.id, ct.transaction_type, trim_scale(ct.amount), ct.created_at, uc.updated_at)
           AS detail
  FROM newest AS n
  JOIN placed AS ct ON ct.user_id = n.user_id AND ct.place = n.place
  JOIN public.user_credits AS uc ON uc.user_id = n.user_id
 WHERE uc.balance IS DISTINCT FROM ct.balance_after;
