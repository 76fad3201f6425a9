-- why: the entries that were written before V7 get their numbers.
-- locks: row locks on the balance rows of up to 50 users at a time, and on their old entries, for
--   the length of a batch; a call for one of these users waits for that long.
-- transaction: batched
-- undo: set entry_seq to NULL and last_entry_seq to 0.
-- rows: SELECT greatest(c.reltuples, 0)::bigint FROM pg_catalog.pg_class AS c WHERE c.oid =
--   'public.credit_transactions'::regclass

-- Users with 1000 old entries together, or up to 1000 entries of one user: a busy server takes a
-- few tenths of a second for that, and a call for one of these users waits for so long. Users whose row somebody
-- holds at this moment are passed over: a batch that waited while it holds the rows of other users
-- could deadlock with a gateway that charges several users in one transaction.
WITH RECURSIVE users (user_id, number) AS (
    (SELECT ct.user_id, 1
       FROM public.credit_transactions AS ct
      WHERE ct.entry_seq IS NULL
      ORDER BY ct.user_id
      LIMIT 1)
    UNION ALL
    SELECT (SELECT ct.user_id
              FROM public.credit_transactions AS ct
             WHERE ct.entry_seq IS NULL AND ct.user_id > u.user_id
             ORDER BY ct.user_id
             LIMIT 1),
           u.number + 1
      FROM users AS u
     WHERE u.number < 50 AND u.user_id IS NOT NULL
), counted AS (
    SELECT u.user_id, u.number,
           (SELECT count(*)
              FROM (SELECT FROM public.credit_transactions AS ct
                     WHERE ct.entry_seq IS NULL AND ct.user_id = u.user_id
                     LIMIT 1000) AS o) AS entries
      FROM users AS u
), block AS (
    SELECT c.user_id,
           sum(c.entries) OVER (ORDER BY c.number) - c.entries AS entries_before
      FROM counted AS c
), free AS MATERIALIZED (
    SELECT uc.user_id
      FROM public.user_credits AS uc
     WHERE uc.user_id IN (SELECT b.user_id FROM block AS b WHERE b.entries_before < 1000)
       FOR NO KEY UPDATE SKIP LOCKED
)
SELECT coalesce(sum(public.number_old_entries(f.user_id, 1000)), 0)::bigint
  FROM free AS f;

-- What is left: users whose row was held, and users who have no balance row. One at a time, and
-- waiting: it holds no other row.
SELECT coalesce(sum(public.number_old_entries(o.user_id, 1000)), 0)::bigint
  FROM (SELECT ct.user_id
          FROM public.credit_transactions AS ct
         WHERE ct.entry_seq IS NULL
         ORDER BY ct.user_id
         LIMIT 1) AS o;
