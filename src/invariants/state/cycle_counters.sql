-- Users in groups: who is in each, with which cycle, and the weighted sum of the counters.
SELECT number, users::text, trim_scale(counted * 100000000)::text AS counted
  FROM (SELECT $group AS number,
               sum(hashint8extended(
                   hash_record_extended(ROW(user_id, billing_cycle_start), $key), $key)) AS users,
               CASE WHEN count(credits_used_this_month) = count(*)
                    THEN sum($weight * credits_used_this_month) END AS counted
          FROM public.user_credits
         GROUP BY 1) AS g
