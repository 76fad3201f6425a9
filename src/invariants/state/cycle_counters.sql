-- Users in groups: who is in each, with which cycle, and the weighted sum of the counters.
SELECT number, users::text, trim_scale(counted * 100000000)::text AS counted
  FROM (SELECT $group AS number,
               -- Who has no cycle has no entries in it, and need not be known.
               coalesce(sum(timestamp_hash_extended(
                   billing_cycle_start::timestamp, uuid_hash_extended(user_id, $key))), 0) AS users,
               CASE WHEN count(credits_used_this_month) = count(*)
                    THEN sum($weight * credits_used_this_month) END AS counted
          FROM public.user_credits
         GROUP BY 1) AS g
