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
--   what is written off, or with 0.00000001 when it has been paid since. With the id of the last
--   such entry, one record settles all of them, as for a user who left the tier enterprise.
-- suspects: (balance_after < 0 AND amount < 0) IS TRUE AND (transaction_type IN ('refund',
--   'admin_adjustment')) IS NOT TRUE AND NOT EXISTS (SELECT FROM public.user_credits AS uc WHERE
--   uc.user_id = credit_transactions.user_id AND uc.tier = 'enterprise')
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1,
--    "transaction_type": "refund", "amount": -1, "balance_after": -1},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 2,
--    "transaction_type": "usage", "amount": -1, "balance_after": -2}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "tier": "trial"}]}
-- incremental: rows

-- One finding per user, the first such entry. A debit that ends below zero is explained by the tier
-- enterprise, by being a refund or an admin_adjustment, which may go there, or by an
-- admin_adjustment whose reference names it or a later one of the same user that needs it, too:
-- whoever left enterprise has many. Usage is refused there, so no earlier refund explains it. A
-- credit that ends below zero began there, and what took the balance there is judged. The balance
-- of today is balance-negative-unexplained, NaN is amount-not-finite, an entry that does not begin
-- where the one before it ended is chain-continuity. Before schema 1.1.0 the name entry_seq means
-- the one beside the table.
-- Between full audits, what the tier explained when the entry was sealed is not asked again.
WITH overdrawn AS MATERIALIZED (
    SELECT e.*, least(e.balance_after - e.amount, 0) AS before
      FROM (VALUES (NULL::bigint)) AS unnumbered (entry_seq)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.transaction_type, t.amount, t.balance_after, t.created_at,
                coalesce(entry_seq, t.id - 4611686018427387904) AS place
           FROM public.credit_transactions AS t
          WHERE t.balance_after < 0
            AND t.amount < 0
            AND (t.transaction_type IN ('refund', 'admin_adjustment')) IS NOT TRUE
     ) AS e
     WHERE NOT EXISTS (SELECT FROM public.user_credits AS uc
                        WHERE uc.user_id = e.user_id AND uc.tier = 'enterprise')
), settled AS (
    SELECT o.user_id, max(o.place) AS place
      FROM overdrawn AS o
      JOIN public.credit_transactions AS n
        ON n.user_id = o.user_id
       AND n.transaction_type = 'admin_adjustment'
       AND n.reference_id = 'entry ' || o.id
     GROUP BY o.user_id
), unsettled AS (
    SELECT DISTINCT ON (o.user_id) o.*,
           count(*) OVER w AS number, last_value(o.id) OVER w AS last_id
      FROM overdrawn AS o
      LEFT JOIN settled AS s ON s.user_id = o.user_id
     WHERE (o.place <= s.place) IS NOT TRUE
    WINDOW w AS (PARTITION BY o.user_id ORDER BY o.place, o.id
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
     ORDER BY o.user_id, o.place, o.id
)
SELECT format('user %s entry %s', u.user_id, u.id) AS subject,
       'at least ' || trim_scale(u.before) AS expected,
       trim_scale(u.balance_after)::text AS actual,
       greatest(u.balance_after, u.amount) AS difference,
       'overspend'::text AS cause,
       format('%s of %s, written %s; such entries of this user: %s, the last is entry %s',
              u.transaction_type, trim_scale(u.amount), u.created_at, u.number, u.last_id)
           AS detail
  FROM unsettled AS u;
