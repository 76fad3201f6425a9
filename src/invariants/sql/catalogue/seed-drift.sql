-- title: what the migrations seeded is as printed, or says that it was changed
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: prices may be changed
-- why: somebody edited a package or a power level by hand, in passing. Nobody knows since when
--   users are charged otherwise than the shop and the contracts say.
-- remedy: put back what is expected, or, when the change was meant, say so: UPDATE
--   public.credit_packages SET updated_at = now() WHERE name = <name>, and the same in
--   public.power_level_configs.
-- canary: {"credit_packages": [
--   {"name": "Starter Pack", "credits": 100, "price_usd": 1, "discount": 0,
--    "created_at": "2021-01-01T00:00:00Z", "updated_at": "2021-01-01T00:00:00Z"}]}

-- A row that is updated after it was created was changed on purpose. Rows that are gone left no
-- such mark, and are not judged: purchase-matches-package and power-level-domain miss them.
WITH printed (kind, name, value) AS (
    VALUES ('package', 'Starter Pack', '100 credits for 10.00 less 0 %'),
           ('package', 'Value Pack', '500 credits for 45.00 less 10 %'),
           ('package', 'Pro Pack', '1000 credits for 80.00 less 20 %'),
           ('package', 'Enterprise Pack', '5000 credits for 350.00 less 30 %'),
           ('power level', 'eco', '0.7 times, 5000 ms, 70 %, openrouter,together,deepinfra'),
           ('power level', 'balanced', '1 times, 3000 ms, 85 %, openai,anthropic,openrouter'),
           ('power level', 'precision', '1.5 times, 2000 ms, 95 %, anthropic,openai')
), stored (kind, name, value, untouched) AS (
    SELECT 'package', p.name,
           format('%s credits for %s less %s %%', trim_scale(p.credits), p.price_usd,
                  trim_scale(p.discount)),
           p.updated_at <= p.created_at
      FROM public.credit_packages AS p
    UNION ALL
    SELECT 'power level', c.power_level,
           format('%s times, %s ms, %s %%, %s', trim_scale(c.cost_multiplier), c.max_latency_ms,
                  trim_scale(c.min_quality_score), array_to_string(c.preferred_providers, ',')),
           c.updated_at <= c.created_at
      FROM public.power_level_configs AS c
)
SELECT format('%s %L', s.kind, s.name) AS subject,
       p.value AS expected,
       s.value AS actual,
       NULL::numeric AS difference,
       'hand-edit'::text AS cause,
       'updated_at is not later than created_at'::text AS detail
  FROM stored AS s
  JOIN printed AS p ON p.kind = s.kind AND p.name = s.name
 WHERE s.value IS DISTINCT FROM p.value AND s.untouched IS NOT FALSE;
