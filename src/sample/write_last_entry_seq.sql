-- The number of each user's last entry. A statement of its own, because the column is not there
-- before schema 1.1.0.
UPDATE public.user_credits AS uc
   SET last_entry_seq = e.entry_seq
  FROM (SELECT user_n, max(entry_seq) AS entry_seq
          FROM pg_temp.sample_entries
         GROUP BY user_n) AS e
  JOIN pg_temp.sample_users AS u ON u.user_n = e.user_n
 WHERE uc.user_id = u.user_id;
