-- Ledgers of two entries, a purchase of 10 and a request of 4, each with one thing wrong or, the
-- first, with nothing. $end, $start, $last, $first, $charged and $logged are the hashes that the
-- equations add up.
WITH entries (name, planted, entry_seq, amount, balance_after, reference_id) AS (
    VALUES ('sound', false, 1::bigint, 10::numeric(20,8), 10::numeric(20,8), 'pay'::text),
           ('sound', false, 2, -4, 6, 'req'),
           ('balance_after edited', true, 1, 10, 10.00000001, 'pay'),
           ('balance_after edited', true, 2, -4, 6, 'req'),
           ('sign of a balance lost', true, 1, 10, 10, 'pay'),
           ('sign of a balance lost', true, 2, -4, -6, 'req'),
           ('amount edited', true, 1, 10, 10, 'pay'),
           ('amount edited', true, 2, -4.5, 6, 'req'),
           ('first entry deleted', true, 2, -4, 6, 'req'),
           ('numbers swapped', true, 2, 10, 10, 'pay'),
           ('numbers swapped', true, 1, -4, 6, 'req'),
           ('reference edited', true, 1, 10, 10, 'pay'),
           ('reference edited', true, 2, -4, 6, 'REQ'),
           ('sign of a charge lost', true, 1, 2, 2, 'pay'),
           ('sign of a charge lost', true, 2, 4, 6, 'req')
), e AS (
    SELECT '00000000-0000-4000-8000-000000000001'::uuid AS user_id, 4::numeric(20,8) AS cost,
           entries.*
      FROM entries
)
SELECT e.name, e.planted,
       sum($end) - sum($start) = min($last::numeric) - min($first::numeric) AS chain_holds,
       sum($charged) FILTER (WHERE e.reference_id <> 'pay') = min($logged::numeric) AS log_agrees
  FROM e
 GROUP BY e.name, e.planted
