-- One slice of the entries. The sequence gives out the ids in the order of the rows.
INSERT INTO public.credit_transactions
    (user_id, transaction_type, amount, balance_after, reference_id, description, created_at)
SELECT u.user_id, e.transaction_type, pg_temp.credits(e.units),
       pg_temp.credits(e.units_after), e.reference_id, e.description, pg_temp.moment(e.at_us)
  FROM pg_temp.sample_entries AS e
  JOIN pg_temp.sample_users AS u ON u.user_n = e.user_n
 WHERE e.position BETWEEN $1 AND $2
 ORDER BY e.position;
