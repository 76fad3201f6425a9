-- title: each balance_after is the balance_after before it plus the amount, from 0 on
-- kind: native
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare a row with the one before it
-- why: every broken writer shows here: two requests that started from one balance, a balance that
--   somebody changed without an entry, a clamp at zero, an entry that was deleted or edited.
--   Credits appeared or vanished between two entries, and the finding names which.
-- remedy: never edit or delete an entry. Compare both entries with the requests or payments that
--   they reference; when credits are owed or due, append an admin_adjustment with
--   public.add_user_credits or public.debit_user_credits whose description names the finding. Look
--   for the writer that the cause points at: it will do it again. The finding stays, as the entries
--   do: no later entry mends a break, which is the evidence that it happened.
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1, "amount": 5,
--    "balance_after": 5},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 2, "amount": 1,
--    "balance_after": 7}]}

-- The order of a chain is entry_seq since schema 1.1.0. Before, it is the order of ids, which the
-- functions draw while they hold the row lock. Where the table has no column entry_seq, the name
-- means the one beside it, which is NULL; NULL comes first, as entries without a number are older.
-- What stands beside the chain is left to siblings: the balance row to balance-equals-last, NaN
-- that an amount brought in to amount-not-finite (here, only the entry where it begins counts).
--
-- Two passes, because the window functions of the second cost several times the first. A sound
-- ledger pays for the first only.
WITH numbered AS NOT MATERIALIZED (
    SELECT e.user_id, e.id, e.amount, e.balance_after, e.transaction_type, e.reference_id,
           e.created_at, e.entry_seq
      FROM (VALUES (NULL::bigint)) AS unnumbered (entry_seq)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.amount, t.balance_after, t.transaction_type, t.reference_id,
                t.created_at, entry_seq
           FROM public.credit_transactions AS t
     ) AS e
), broken_users AS MATERIALIZED (
    SELECT DISTINCT links.user_id
      FROM (
          SELECT ct.user_id, ct.amount, ct.balance_after,
                 lag(ct.balance_after, 1, 0) OVER entries AS previous_balance
            FROM numbered AS ct
          WINDOW entries AS (PARTITION BY ct.user_id ORDER BY ct.entry_seq NULLS FIRST, ct.id)
      ) AS links
     WHERE links.balance_after IS DISTINCT FROM links.previous_balance + links.amount
        OR links.amount = 'NaN'
), chain AS (
    SELECT ct.user_id, ct.id, ct.entry_seq, ct.amount, ct.balance_after,
           ct.transaction_type, ct.reference_id, ct.created_at,
           lag(ct.id) OVER entries AS previous_id,
           lag(ct.balance_after, 1, 0) OVER entries AS previous_balance,
           lag(ct.amount) OVER entries AS previous_amount,
           lag(ct.transaction_type) OVER entries AS previous_type,
           lag(ct.reference_id) OVER entries AS previous_reference,
           lag(ct.created_at) OVER entries AS previous_created_at,
           lag(ct.id, 2) OVER entries AS second_id,
           lag(ct.balance_after - ct.amount, 2) OVER entries AS second_start,
           lag(ct.id, 3) OVER entries AS third_id,
           lag(ct.balance_after - ct.amount, 3) OVER entries AS third_start,
           greatest(lag(ct.entry_seq, 1, 0::bigint) OVER entries, 0) AS previous_seq,
           lead(ct.id) OVER entries AS next_id,
           lead(ct.balance_after - ct.amount) OVER entries AS next_start
      FROM numbered AS ct
     WHERE ct.user_id IN (SELECT b.user_id FROM broken_users AS b)
    WINDOW entries AS (PARTITION BY ct.user_id ORDER BY ct.entry_seq NULLS FIRST, ct.id)
), stored AS (
    SELECT uc.user_id, min(uc.balance) AS balance
      FROM public.user_credits AS uc
     WHERE uc.user_id IN (SELECT b.user_id FROM broken_users AS b)
     GROUP BY uc.user_id
)
SELECT c.user_id::text, coalesce(c.id::text, 'NULL') AS id, c.created_at::text,
       c.amount::text,
       c.balance_after::text,
       (c.previous_balance + c.amount)::text AS expected,
       (c.balance_after - c.previous_balance - c.amount)::text AS difference,
       (c.balance_after - c.amount)::text AS start,
       c.previous_id::text,
       c.previous_balance::text,
       c.previous_amount::text,
       (c.previous_balance - c.previous_amount)::text AS previous_start,
       c.previous_created_at::text,
       coalesce(c.previous_type = c.transaction_type, false) AS same_type,
       coalesce(c.previous_reference = c.reference_id, false) AS same_reference,
       CASE WHEN isfinite(c.created_at) AND isfinite(c.previous_created_at)
            THEN abs(extract(epoch FROM c.created_at - c.previous_created_at)) END::float8
           AS seconds_apart,
       c.second_id::text, c.second_start::text,
       c.third_id::text, c.third_start::text,
       c.next_id::text, c.next_start::text,
       -- The numbers between the two entries; numbers below one count from none.
       CASE WHEN c.entry_seq > 1 AND c.entry_seq - 1 > c.previous_seq
            THEN c.previous_seq + 1 END AS first_missing,
       CASE WHEN c.entry_seq > 1 AND c.entry_seq - 1 > c.previous_seq
            THEN c.entry_seq - 1 END AS last_missing,
       s.balance::text AS stored_balance
  FROM chain AS c
  LEFT JOIN stored AS s ON s.user_id = c.user_id
 WHERE c.balance_after IS DISTINCT FROM c.previous_balance + c.amount
    OR c.amount = 'NaN'
 ORDER BY c.user_id, c.entry_seq NULLS FIRST, c.id
