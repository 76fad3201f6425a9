-- The requests, numbered in the order of time. Steps are MATERIALIZED where a later one uses
-- their results several times.

-- Six numbers of 64 bits give all that a request needs, which is quicker than a draw for each.
WITH dice AS MATERIALIZED (
    SELECT ends_us, users, request_n,
           pg_temp.bits(seed, 'request a', request_n) AS a,
           pg_temp.bits(seed, 'request b', request_n) AS b,
           pg_temp.bits(seed, 'request c', request_n) AS c,
           pg_temp.bits(seed, 'request d', request_n) AS d,
           pg_temp.bits(seed, 'request e', request_n) AS e,
           pg_temp.bits(seed, 'request f', request_n) AS f,
           pg_temp.draw(seed, 'request user', request_n, 1073741824)
               / 1073741824::double precision AS u
      FROM pg_temp.sample_size
     CROSS JOIN generate_series(1, requests) AS request_n
), routed AS MATERIALIZED (
    SELECT request_n, e, f, u.user_n, r.power_level, r.input_units, r.output_units, r.tenths,
           r.token_ms, byok.used AS byok_used,
           -- Two providers serve no model that has a price here, only users with a key for them.
           CASE WHEN byok.used AND u.key_provider IN ('together', 'deepinfra') THEN 'llama-3-70b'
                ELSE r.model END AS model,
           CASE WHEN byok.used THEN u.key_provider ELSE r.provider END AS provider,
           -- A quarter of the requests prefers recent days: traffic grows.
           ends_us - pg_temp.days(1 + least(pg_temp.throw(b, 0, u.days),
               CASE WHEN request_n % 4 = 0 THEN pg_temp.throw(b, 1, u.days) END))
           -- Three dice make a bell around noon; one request in five keeps no hours. A day here
           -- ends when the period ends, so the time of day is turned by that.
           + (pg_temp.days(1) - ends_us % pg_temp.days(1) + pg_temp.throw(d, 0, 1000000) + 1000000
               * CASE WHEN request_n % 5 = 0 THEN pg_temp.throw(c, 0, 86400)
                      ELSE pg_temp.throw(c, 0, 28800) + pg_temp.throw(c, 1, 28800)
                           + pg_temp.throw(c, 2, 28800) END) % pg_temp.days(1) AS at_us,
           -- Of the requests of Saturdays and Sundays, 45 % are moved to Thursdays and Fridays,
           -- if the user was there by then.
           CASE WHEN pg_temp.throw(d, 2, 100) < 45
                THEN u.created_us + pg_temp.days(2) + pg_temp.minutes(120) END
               AS movable_from_us
      FROM dice
      -- The cube makes a power law: the first of n users has the cube root of 1/n of all
      -- requests. Multiplication gives the same on every machine; pow() need not.
      JOIN pg_temp.sample_users AS u
        ON u.user_n = least(dice.users, 1 + floor(dice.users * dice.u * dice.u * dice.u)::bigint)
      -- One request in five asks for a level of its own.
      JOIN pg_temp.sample_routes AS r
        ON r.power_level = coalesce((ARRAY['eco', 'balanced', 'precision'])
                                        [1 + pg_temp.throw(a, 0, 15)], u.power_level)
       AND r.slot = pg_temp.throw(a, 1, 100)
     -- Never NULL: who has no key uses none.
     CROSS JOIN LATERAL (
               SELECT coalesce(u.key_provider IN (r.provider, 'together', 'deepinfra')
                               AND pg_temp.throw(d, 1, 100) < 60, false)) AS byok (used)
), answered AS MATERIALIZED (
    SELECT r.*, seed,
           -- The first of January 2000 was a Saturday.
           CASE WHEN r.at_us / pg_temp.days(1) % 7 < 2 AND r.at_us > r.movable_from_us
                THEN r.at_us - pg_temp.days(2) ELSE r.at_us END AS sent_us,
           -- Many are short, few are long: squares, and one prompt in fifty has a document in it.
           10 + pg_temp.throw(e, 0, 1000) * pg_temp.throw(e, 0, 1000) / 400
              + CASE WHEN request_n % 50 = 0 THEN pg_temp.throw(e, 2, 20000) ELSE 0 END
               AS prompt_tokens,
           5 + pg_temp.throw(e, 1, 1000) * pg_temp.throw(e, 1, 1000) / 1000 AS completion_tokens,
           -- 0 is success. A provider has a bad day now and then, on which many requests fail.
           CASE WHEN pg_temp.throw(f, 0, 1000)
                     < CASE pg_temp.draw(seed, provider, r.at_us / pg_temp.days(1), 60)
                       WHEN 0 THEN 250 ELSE 15 END
                THEN 1 + pg_temp.throw(f, 1, 4) ELSE 0 END AS error
      FROM routed AS r
     CROSS JOIN pg_temp.sample_size
)
INSERT INTO pg_temp.sample_requests
SELECT row_number() OVER (ORDER BY sent_us, request_n),
       request_n,
       -- It begins with the time in milliseconds, as many gateways have it, so that neighbours in
       -- time are neighbours in the index: that is quicker to fill. It ends with the number of
       -- the request, which makes it unique.
       'req_' || pg_temp.hex(sent_us / 1000 + 946684800000, 12)
              || pg_temp.hex(e, 6) || pg_temp.hex(request_n, 8),
       user_n,
       sent_us,
       -- The gateway debits first and logs afterwards.
       sent_us - 2000 - pg_temp.throw(f, 2, 30000),
       model,
       provider,
       -- What no level priced has none.
       CASE WHEN NOT byok_used THEN power_level END,
       prompt_tokens,
       CASE WHEN error = 0 THEN completion_tokens ELSE 0 END,
       CASE WHEN error = 0 AND NOT byok_used
            THEN (prompt_tokens * input_units + completion_tokens * output_units) * tenths / 10
            ELSE 0 END,
       -- Without a connection there is nothing to time.
       CASE error
           WHEN 0 THEN 150 + pg_temp.throw(f, 2, 400) + completion_tokens * token_ms
           WHEN 1 THEN 60000 + pg_temp.throw(f, 2, 900)
           WHEN 2 THEN 90 + pg_temp.throw(f, 2, 900)
           WHEN 3 THEN 200 + pg_temp.throw(f, 2, 900)
       END,
       CASE error
           WHEN 1 THEN 'upstream timed out after 60 s'
           WHEN 2 THEN 'upstream answered 429: rate limit reached'
           WHEN 3 THEN 'upstream answered 529: overloaded'
           WHEN 4 THEN 'upstream refused the connection'
       END,
       byok_used
  FROM answered;

CREATE INDEX ON pg_temp.sample_requests (position);
ANALYZE pg_temp.sample_requests;
