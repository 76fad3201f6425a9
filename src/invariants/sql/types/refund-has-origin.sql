-- title: a refund names the entry that it gives back
-- kind: query
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a reference may name any of many entries, so no foreign key can hold it
-- why: credits that come back for nothing that was charged are credits from nowhere, and money
--   that went back for no purchase cannot be told from a theft.
-- remedy: find what was given back, and put it on record: SELECT * FROM
--   public.add_user_credits(<user>, 0.00000001, 'admin_adjustment', 'entry <id>', <reason>).
--   Credits that were not due are taken back under the same reference: SELECT * FROM
--   public.debit_user_credits(<user>, <difference>, 'admin_adjustment', 'entry <id>', <reason>),
--   and those that a debit took by mistake are given back by public.add_user_credits with the same
--   arguments. Either ends the finding. Let the refund job pass the reference of the origin: the
--   payment of a purchase, the request_id of a usage. From schema 1.2.0 on that books one refund of
--   an origin: a second part has the same reference and type admin_adjustment, each further one
--   type admin_adjustment and the reference '<reference> part 3', '<reference> part 4' and so on.
-- canary: {"credit_transactions": [
--   {"id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 1,
--    "transaction_type": "refund", "amount": 5, "reference_id": "a"},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "entry_seq": 2,
--    "transaction_type": "usage", "amount": -5, "reference_id": "a"}]}
-- incremental: SELECT FROM public.credit_transactions AS n WHERE n.id > $entries AND
--   n.transaction_type = 'refund' AND n.amount <> 0 AND NOT EXISTS (SELECT FROM
--   public.credit_transactions AS o WHERE o.user_id = n.user_id AND o.reference_id =
--   n.reference_id AND o.transaction_type = CASE WHEN n.amount < 0 THEN 'purchase' ELSE 'usage'
--   END AND btrim(o.reference_id) NOT IN ('', 'None', 'null', 'undefined') AND o.id < n.id)

-- Credits back (positive) for a usage, money back (negative) for a purchase, of the same user, the
-- origin first. Settled by an admin_adjustment whose reference is 'entry <id>'. How much came back
-- is refund-within-origin. Before schema 1.1.0 the name entry_seq means the one beside the table.
WITH placed AS NOT MATERIALIZED (
    SELECT e.*
      FROM (VALUES (NULL::bigint)) AS unnumbered (entry_seq)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.transaction_type, t.amount, t.reference_id, t.created_at,
                coalesce(entry_seq, t.id - 4611686018427387904) AS place
           FROM public.credit_transactions AS t
     ) AS e
)
SELECT format('user %s entry %s', r.user_id, r.id) AS subject,
       CASE WHEN r.amount < 0 THEN 'an earlier purchase' ELSE 'an earlier usage' END AS expected,
       'none'::text AS actual,
       nullif(r.amount, 'NaN') AS difference,
       CASE WHEN (btrim(r.reference_id) NOT IN ('', 'None', 'null', 'undefined')) IS NOT TRUE
            THEN 'no-reference' ELSE 'no-origin' END AS cause,
       format('reference %s, written %s', quote_nullable(r.reference_id), r.created_at) AS detail
  FROM placed AS r
 WHERE r.transaction_type = 'refund'
   AND r.amount <> 0
   AND NOT EXISTS (
           SELECT FROM placed AS o
            WHERE o.user_id = r.user_id
              AND o.reference_id = r.reference_id
              AND btrim(o.reference_id) NOT IN ('', 'None', 'null', 'undefined')
              AND o.transaction_type IN ('purchase', 'usage')
              AND o.transaction_type = CASE WHEN r.amount < 0 THEN 'purchase' ELSE 'usage' END
              AND o.place < r.place)
   AND NOT EXISTS (
           SELECT FROM public.credit_transactions AS n
            WHERE n.user_id = r.user_id
              AND n.transaction_type = 'admin_adjustment'
              AND n.reference_id = 'entry ' || r.id);
