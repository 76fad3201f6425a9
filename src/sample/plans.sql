-- What the requests of a user lead to: tier, package, and the credits used in the current cycle.

WITH used AS (
    SELECT u.user_n, u.standing,
           coalesce(sum(r.units), 0)::bigint AS units,
           coalesce(sum(r.units) FILTER (WHERE r.charged_us >= u.cycle_us), 0)::bigint
               AS cycle_units
      FROM pg_temp.sample_users AS u
      LEFT JOIN pg_temp.sample_requests AS r ON r.user_n = u.user_n AND r.units > 0
     GROUP BY u.user_n
), tiered AS (
    -- Whoever outgrows the allowance of a tier has been moved up; a trial is never renewed.
    SELECT *,
           CASE WHEN standing < 10 OR cycle_units > 1000000000000 THEN 'enterprise'
                WHEN standing < 30 OR cycle_units > 100000000000 THEN 'professional'
                WHEN standing < 60 OR units > 10000000000 THEN 'starter'
                ELSE 'trial' END AS tier
      FROM used
)
INSERT INTO pg_temp.sample_plans
SELECT user_n,
       tier,
       cycle_units,
       -- The smallest package of which a dozen suffices.
       (SELECT coalesce(min(k.units) FILTER (WHERE k.units * 12 >= t.units), max(k.units))
          FROM pg_temp.sample_packages AS k),
       -- Some enterprise users pay afterwards, so that their balances are negative in between.
       tier = 'enterprise' AND pg_temp.draw(seed, 'postpaid', user_n, 100) < 40
  FROM tiered AS t
 CROSS JOIN pg_temp.sample_size;

ANALYZE pg_temp.sample_plans;
