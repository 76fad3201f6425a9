-- somebody gives a user 100 credits with a plain UPDATE, without an entry
UPDATE public.user_credits
   SET balance = balance + 100
 WHERE user_id = (SELECT user_id FROM public.credit_transactions
                   GROUP BY user_id ORDER BY count(*) DESC, user_id OFFSET 2 LIMIT 1);
