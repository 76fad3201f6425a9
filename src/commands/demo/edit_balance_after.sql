-- somebody edits the balance_after of one entry, in the middle of the busiest user's history
UPDATE public.credit_transactions AS ct
   SET balance_after = ct.balance_after + 25
  FROM (SELECT id
          FROM (SELECT id, ntile(2) OVER (ORDER BY entry_seq) AS half
                  FROM public.credit_transactions
                 WHERE user_id = (SELECT user_id FROM public.credit_transactions
                                   GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1)) AS h
         WHERE half = 1
         ORDER BY id DESC
         LIMIT 1) AS victim
 WHERE ct.id = victim.id;
