-- a clean-up script deletes the balance row of a user who still has entries
DELETE FROM public.user_credits
 WHERE user_id = (SELECT user_id FROM public.credit_transactions
                   GROUP BY user_id ORDER BY count(*) DESC, user_id OFFSET 1 LIMIT 1);
