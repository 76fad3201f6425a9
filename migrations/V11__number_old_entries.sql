-- why: the entries that were written before V7 get their numbers.
-- locks: row locks on the balance rows of users who have some 2000 old entries together, for the
--   length of a batch; a call for one of these users waits for that long.
-- transaction: batched
-- undo: set entry_seq to NULL and last_entry_seq to 0.
-- rows: SELECT greatest(c.reltuples, 0)::bigint FROM pg_catalog.pg_class AS c WHERE c.oid =
--   'public.credit_transactions'::regclass

-- Users with some 2000 old entries together; whoever has more than that alone comes below. Users
-- whose row somebody holds at this moment are passed over: a batch that waited while it holds the
-- rows of other users could deadlock with a gateway that charges several users in one transaction.
--
-- The UPDATEs find their rows by id alone. "AND entry_seq IS NULL" would be true as well, and lead
-- the planner, which has no statistics of the new column yet, to read all old entries of a user for
-- each of them.
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
     WHERE u.number < 200 AND u.user_id IS NOT NULL
), entries AS MATERIALIZED (
    SELECT u.user_id, u.number,
           (SELECT count(*)
              FROM (SELECT FROM public.credit_transactions AS ct
                     WHERE ct.entry_seq IS NULL AND ct.user_id = u.user_id
                     LIMIT 2000) AS o) AS entries
      FROM users AS u
), block AS (
    SELECT e.user_id,
           sum(e.entries) OVER (ORDER BY e.number) - e.entries AS entries_before
      FROM entries AS e
     WHERE e.entries < 2000
), held AS MATERIALIZED (
    SELECT uc.user_id
      FROM public.user_credits AS uc
     WHERE uc.user_id IN (SELECT b.user_id FROM block AS b WHERE b.entries_before < 2000)
       FOR NO KEY UPDATE SKIP LOCKED
), balances AS (
    -- Where a writer has counted already, the number is there.
    UPDATE public.user_credits AS uc
       SET last_entry_seq = public.find_last_entry_seq(uc.user_id)
      FROM held AS h
     WHERE uc.user_id = h.user_id AND uc.last_entry_seq = 0
), places AS MATERIALIZED (
    SELECT h.user_id, o.id, o.place
      FROM held AS h
     CROSS JOIN LATERAL public.order_old_entries(h.user_id) AS ordered (ids)
     CROSS JOIN LATERAL unnest(ordered.ids) WITH ORDINALITY AS o (id, place)
)
UPDATE public.credit_transactions AS ct
   SET entry_seq = p.place
  FROM places AS p
 WHERE ct.id = p.id AND ct.user_id = p.user_id;

-- What is left: users with very many old entries, users whose row was held, and users who have no
-- balance row. One at a time and up to 20000 entries: the last ones, so that entries without a
-- number are always the oldest, and their count the number of the last of them. The balance row is
-- locked after the entries are done, for a moment: old entries do not change, and who writes new
-- ones counts the old ones under the lock, with numbers or without.
WITH next AS MATERIALIZED (
    SELECT ct.user_id
      FROM public.credit_transactions AS ct
     WHERE ct.entry_seq IS NULL
     ORDER BY ct.user_id
     LIMIT 1
), balances AS (
    UPDATE public.user_credits AS uc
       SET last_entry_seq = public.find_last_entry_seq(uc.user_id)
      FROM next AS n
     WHERE uc.user_id = n.user_id AND uc.last_entry_seq = 0
), places AS MATERIALIZED (
    SELECT n.user_id, o.id, o.place
      FROM next AS n
     CROSS JOIN LATERAL public.order_old_entries(n.user_id) AS ordered (ids)
     CROSS JOIN LATERAL unnest(ordered.ids) WITH ORDINALITY AS o (id, place)
     WHERE o.place > cardinality(ordered.ids) - 20000
)
UPDATE public.credit_transactions AS ct
   SET entry_seq = p.place
  FROM places AS p
 WHERE ct.id = p.id AND ct.user_id = p.user_id;
