-- The entries of the ledger, in the order of time. Usage and purchases alone never take a user
-- who pays in advance below zero: a package is bought shortly before the usage that would exceed
-- what has been bought so far. Everything else adds credits, or takes back what was added before,
-- so it never takes a balance below the one that usage and purchases leave.

WITH usage AS MATERIALIZED (
    SELECT r.user_n, r.request_n, r.request_id, r.charged_us, r.model, r.units,
           sum(r.units) OVER (PARTITION BY r.user_n ORDER BY r.charged_us, r.request_n
                              ROWS UNBOUNDED PRECEDING)::bigint AS spent
      FROM pg_temp.sample_requests AS r
     WHERE r.units > 0
), bought AS MATERIALIZED (
    -- One delay per user, not per purchase: two purchases must not come closer to each other than
    -- the usage that led to them.
    SELECT u.user_n,
           row_number() OVER (PARTITION BY u.user_n ORDER BY u.charged_us, u.request_n)
               AS purchase_n,
           CASE WHEN p.postpaid
                THEN u.charged_us + pg_temp.days(1)
                     + pg_temp.draw(seed, 'invoice', u.user_n, pg_temp.days(1))
                ELSE u.charged_us - pg_temp.minutes(1)
                     - pg_temp.draw(seed, 'top-up', u.user_n, pg_temp.minutes(10))
           END AS at_us,
           p.package_units AS units
      FROM usage AS u
      JOIN pg_temp.sample_plans AS p ON p.user_n = u.user_n
     CROSS JOIN pg_temp.sample_size
     WHERE p.tier <> 'trial'
       AND CASE WHEN p.postpaid
                THEN spent / p.package_units > (spent - u.units) / p.package_units
                ELSE (spent + p.package_units - 1) / p.package_units
                     > (spent - u.units + p.package_units - 1) / p.package_units END
), mistaken AS (
    -- The wrong package, given back before the right one is bought.
    SELECT b.user_n, b.at_us - pg_temp.minutes(40) AS at_us,
           CASE b.units WHEN 10000000000 THEN 50000000000 ELSE 10000000000 END AS units
      FROM bought AS b
     CROSS JOIN pg_temp.sample_size
     WHERE b.purchase_n = 1 AND pg_temp.draw(seed, 'mistaken', b.user_n, 100) < 10
), goodwill AS (
    -- Once in the user's time, and sometimes by mistake.
    SELECT u.user_n,
           u.created_us + pg_temp.days(1)
               + pg_temp.draw(seed, 'goodwill at', u.user_n, pg_temp.days(u.days - 1)) AS at_us,
           pg_temp.draw(seed, 'goodwill reversed', u.user_n, 4) = 0 AS reversed
      FROM pg_temp.sample_users AS u
     CROSS JOIN pg_temp.sample_size
     WHERE pg_temp.draw(seed, 'goodwill', u.user_n, 100) < 6
), events (user_n, at_us, kind, origin, transaction_type, units, reference_id, description) AS (
    SELECT user_n, charged_us, 1, request_n, 'usage', -units, request_id, model || ' completion'
      FROM usage
    UNION ALL
    SELECT user_n, at_us, 2, purchase_n, 'purchase', units,
           pg_temp.payment_id(seed, user_n, purchase_n), 'Purchased ' || k.name
      FROM bought
      JOIN pg_temp.sample_packages AS k USING (units)
     CROSS JOIN pg_temp.sample_size
    UNION ALL
    SELECT user_n, at_us, 3, 0, 'purchase', units,
           pg_temp.payment_id(seed, user_n, 0), 'Purchased ' || k.name
      FROM mistaken
      JOIN pg_temp.sample_packages AS k USING (units)
     CROSS JOIN pg_temp.sample_size
    UNION ALL
    SELECT user_n, at_us + pg_temp.minutes(7), 4, 0, 'refund', -units,
           pg_temp.payment_id(seed, user_n, 0), 'Wrong package, money back'
      FROM mistaken
     CROSS JOIN pg_temp.sample_size
    UNION ALL
    SELECT user_n,
           charged_us + pg_temp.minutes(10)
               + pg_temp.draw(seed, 'complaint', request_n, pg_temp.days(1)),
           5, request_n, 'refund',
           CASE pg_temp.draw(seed, 'refund half', request_n, 3) WHEN 0 THEN units / 2
               ELSE units END,
           request_id, 'Answer was cut off'
      FROM usage
     CROSS JOIN pg_temp.sample_size
     -- Nobody asks for less than 0.05 credits back.
     WHERE units > 5000000 AND pg_temp.draw(seed, 'refund', request_n, 1000) < 5
    UNION ALL
    SELECT u.user_n, u.created_us + pg_temp.minutes(1), 6, 0, 'bonus',
           CASE p.tier WHEN 'trial' THEN 10000000000 ELSE 2000000000 END,
           'welcome', 'Welcome credits'
      FROM pg_temp.sample_users AS u
      JOIN pg_temp.sample_plans AS p ON p.user_n = u.user_n
     CROSS JOIN pg_temp.sample_size
     -- A trial lives on them; of the others, some came by another way.
     WHERE p.tier = 'trial' OR pg_temp.draw(seed, 'welcome', u.user_n, 100) < 70
    UNION ALL
    SELECT u.user_n, ends_us - pg_temp.days(45), 7, 0, 'bonus', 1500000000,
           'campaign', 'Campaign credits'
      FROM pg_temp.sample_users AS u
     CROSS JOIN pg_temp.sample_size
     WHERE u.days > 45 AND pg_temp.draw(seed, 'campaign', u.user_n, 100) < 25
    UNION ALL
    SELECT user_n, at_us, 8, 0, 'admin_adjustment', 500000000,
           'case_' || pg_temp.hex(pg_temp.bits(seed, 'case', user_n), 16), 'Goodwill for an outage'
      FROM goodwill
     CROSS JOIN pg_temp.sample_size
    UNION ALL
    SELECT user_n, at_us + pg_temp.minutes(180), 9, 0, 'admin_adjustment', -500000000,
           'case_' || pg_temp.hex(pg_temp.bits(seed, 'reversal', user_n), 16),
           'Goodwill of the wrong account, taken back'
      FROM goodwill
     CROSS JOIN pg_temp.sample_size
     WHERE reversed
)
INSERT INTO pg_temp.sample_entries
SELECT row_number() OVER (ORDER BY at_us, user_n, kind, origin),
       user_n,
       row_number() OVER (PARTITION BY user_n ORDER BY at_us, kind, origin),
       at_us, transaction_type, units,
       sum(units) OVER (PARTITION BY user_n ORDER BY at_us, kind, origin
                        ROWS UNBOUNDED PRECEDING)::bigint,
       reference_id,
       description
  FROM events
 CROSS JOIN pg_temp.sample_size
 WHERE at_us < ends_us;

CREATE INDEX ON pg_temp.sample_entries (position);
ANALYZE pg_temp.sample_entries;
