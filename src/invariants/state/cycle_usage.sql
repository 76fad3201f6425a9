-- What entries above an id used, of some groups of users: up to the id to be sealed, and above.
SELECT $group AS number,
       trim_scale(sum($weight * sealed) * 100000000)::text AS sealed,
       trim_scale(sum($weight * open) * 100000000)::text AS open
  FROM (SELECT uc.user_id, uc.billing_cycle_start,
               coalesce(-sum(ct.amount) FILTER (WHERE ct.id <= $upto), 0) AS sealed,
               coalesce(-sum(ct.amount) FILTER (WHERE ct.id > $upto), 0) AS open
          FROM public.credit_transactions AS ct
          JOIN (SELECT user_id, billing_cycle_start FROM public.user_credits
                 WHERE $group = ANY ($1)) AS uc ON uc.user_id = ct.user_id
         WHERE ct.transaction_type = 'usage' AND ct.id > $above
           AND ct.created_at >= to_timestamp('$oldest') AND ct.created_at >= uc.billing_cycle_start
         GROUP BY uc.user_id, uc.billing_cycle_start) AS u
 GROUP BY 1
