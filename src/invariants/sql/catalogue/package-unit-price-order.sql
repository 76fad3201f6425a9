-- title: a bigger package is not dearer per credit than a smaller one
-- kind: query
-- scope: global
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: a constraint cannot compare two rows
-- why: the price of one package was changed and the others were forgotten. Whoever reckons buys
--   two small ones, and the others feel cheated.
-- remedy: set the price that was meant: UPDATE public.credit_packages SET price_usd = <price>,
--   discount = <percent>, updated_at = now() WHERE id = <id>; or take the package off sale.
-- canary: {"credit_packages": [
--   {"name": "small", "credits": 100, "price_usd": 10},
--   {"name": "big", "credits": 200, "price_usd": 30}]}

-- Packages on sale only. Prices out of range are package-positive, and prices that do not fit the
-- discount package-price-arithmetic.
WITH on_sale AS (
    SELECT id, name, credits, price_usd, price_usd / credits AS unit_price
      FROM public.credit_packages
     WHERE is_active IS NOT FALSE
       AND credits > 0 AND credits < 'Infinity' AND price_usd > 0 AND price_usd < 'Infinity'
)
SELECT 'package ' || bigger.id AS subject,
       format('at most %s dollars per credit', round(smaller.unit_price, 4)) AS expected,
       round(bigger.unit_price, 4)::text AS actual,
       NULL::numeric AS difference,
       'price-order'::text AS cause,
       format('%L has %s credits, %L has %s', bigger.name, trim_scale(bigger.credits),
              smaller.name, trim_scale(smaller.credits)) AS detail
  FROM on_sale AS bigger
 CROSS JOIN LATERAL (
           SELECT s.* FROM on_sale AS s
            WHERE s.credits < bigger.credits AND s.unit_price < bigger.unit_price
            ORDER BY s.unit_price, s.id LIMIT 1
       ) AS smaller;
