-- One slice of the entries, for schema 1.0.0, which has no entry_seq. Ids are given, not drawn: an attempt that failed has moved the
-- sequence on, and the rows shall be the same all the same.
INSERT INTO public.credit_transactions
    (id, user_id, transaction_type, amount, balance_after, reference_id, description, created_at)
SELECT e.position, u.user_id, e.transaction_type, pg_temp.credits(e.units),
       pg_temp.credits(e.units_after), e.reference_id, e.description, pg_temp.moment(e.at_us)
  FROM pg_temp.sample_entries AS e
  JOIN pg_temp.sample_users AS u ON u.user_n = e.user_n
 WHERE e.position BETWEEN $1 AND $2
 ORDER BY e.position;
