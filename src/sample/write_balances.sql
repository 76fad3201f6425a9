-- Balances and keys: a few rows per user, written at once.

INSERT INTO public.user_credits
    (user_id, balance, tier, power_level, monthly_allowance, credits_used_this_month,
     billing_cycle_start, created_at, updated_at)
SELECT u.user_id,
       pg_temp.credits(coalesce(e.units, 0)::bigint),
       p.tier,
       u.power_level,
       CASE p.tier WHEN 'trial' THEN 100
                   WHEN 'starter' THEN 1000
                   WHEN 'professional' THEN 10000 END,
       pg_temp.credits(p.used_units),
       pg_temp.moment(u.cycle_us),
       pg_temp.moment(u.created_us),
       pg_temp.moment(coalesce(e.last_us, u.created_us))
  FROM pg_temp.sample_users AS u
  JOIN pg_temp.sample_plans AS p ON p.user_n = u.user_n
  LEFT JOIN (SELECT user_n, sum(units) AS units, max(at_us) AS last_us
               FROM pg_temp.sample_entries
              GROUP BY user_n) AS e ON e.user_n = u.user_n
 ORDER BY u.created_us, u.user_n;

-- Three kinds: the key in use, one that it replaced, and one for a provider not used yet.
WITH kinds (kind, key_name, is_default, is_active, percent) AS (
    VALUES (0, 'main', true, true, 100), (1, 'old', false, false, 40), (2, 'main', true, true, 30)
), used AS (
    SELECT r.user_n, max(r.at_us) AS last_us,
           count(*) FILTER (WHERE r.at_us >= u.cycle_us) AS requests
      FROM pg_temp.sample_requests AS r
      JOIN pg_temp.sample_users AS u ON u.user_n = r.user_n
     WHERE r.byok_used
     GROUP BY r.user_n
), keys AS (
    SELECT s.seed, u.*, k.kind, k.key_name, k.is_default, k.is_active,
           CASE WHEN k.kind < 2 THEN u.key_provider
                WHEN u.key_provider = 'openai' THEN 'anthropic'
                ELSE 'openai' END AS provider,
           u.created_us + pg_temp.minutes(10 + k.kind) AS added_us
      FROM pg_temp.sample_users AS u
     CROSS JOIN kinds AS k
     CROSS JOIN pg_temp.sample_size AS s
     WHERE u.key_provider IS NOT NULL
       AND pg_temp.draw(seed, 'key ' || k.kind, u.user_n, 100) < k.percent
)
INSERT INTO public.user_provider_keys
    (user_id, provider, key_name, encrypted_key, is_default, is_active, last_used_at,
     usage_count_this_month, created_at, updated_at)
SELECT k.user_id,
       k.provider,
       k.key_name,
       -- Looks like what the gateway stores; nothing can be decrypted from it.
       'enc:v1:' || encode(decode((
                        SELECT string_agg(pg_temp.hex(pg_temp.bits(
                                   seed, format('secret %s %s', k.kind, part), k.user_n), 16),
                                   '' ORDER BY part)
                          FROM generate_series(1, 6) AS part), 'hex'), 'base64'),
       k.is_default,
       k.is_active,
       pg_temp.moment(used.last_us),
       coalesce(used.requests, 0),
       pg_temp.moment(k.added_us),
       pg_temp.moment(coalesce(used.last_us, k.added_us))
  FROM keys AS k
  LEFT JOIN used ON used.user_n = k.user_n AND k.kind = 0
 ORDER BY k.added_us, k.user_n;
