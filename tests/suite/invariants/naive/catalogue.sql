-- check: package-positive
SELECT 1 FROM credit_packages CROSS JOIN LATERAL (VALUES (credits), (price_usd)) AS v (x)
 WHERE x IS NULL OR x <= 0 OR x::text IN ('NaN', 'Infinity')

-- check: package-discount-range
SELECT 1 FROM credit_packages WHERE discount IS NULL OR discount < 0 OR discount >= 100

-- check: package-price-arithmetic
SELECT 1 FROM credit_packages
 WHERE is_active AND 1000 * price_usd <> 1000 * round(credits * (100 - discount) / 1000, 2)

-- check: package-duplicate
SELECT 1 FROM credit_packages AS a JOIN credit_packages AS b
    ON b.id > a.id AND a.is_active AND b.is_active
   AND (b.credits = a.credits
        OR upper(translate(b.name, E' \t\n', '')) = upper(translate(a.name, E' \t\n', '')))

-- check: package-unit-price-order
SELECT 1 FROM credit_packages AS small JOIN credit_packages AS big
    ON small.is_active AND big.is_active AND big.credits > small.credits
   AND small.price_usd > 0 AND big.price_usd > 0 AND small.credits > 0
   AND big.price_usd * small.credits > small.price_usd * big.credits

-- check: purchase-matches-package
SELECT 1 FROM credit_transactions AS ct LEFT JOIN credit_packages AS p ON p.credits = ct.amount
 WHERE ct.transaction_type = 'purchase' AND sign(ct.amount) = 1
   AND ct.amount::text <> 'Infinity' AND p.id IS NULL

-- check: seed-drift
SELECT 1 FROM credit_packages AS p
  JOIN (VALUES ('Starter Pack', 100, 10.00, 0), ('Value Pack', 500, 45.00, 10),
               ('Pro Pack', 1000, 80.00, 20), ('Enterprise Pack', 5000, 350.00, 30))
    AS s (name, credits, price, discount) ON s.name = p.name
 WHERE (p.credits, p.price_usd, p.discount) <> (s.credits, s.price, s.discount)
   AND NOT p.updated_at > p.created_at
UNION ALL
SELECT 1 FROM power_level_configs AS c
  JOIN (VALUES ('eco', 0.7, 5000, 70, '{openrouter,together,deepinfra}'::text[]),
               ('balanced', 1.0, 3000, 85, '{openai,anthropic,openrouter}'),
               ('precision', 1.5, 2000, 95, '{anthropic,openai}'))
    AS s (level, factor, latency, quality, providers) ON s.level = c.power_level
 WHERE (c.cost_multiplier, c.max_latency_ms, c.min_quality_score, c.preferred_providers)
       <> (s.factor, s.latency, s.quality, s.providers)
   AND NOT c.updated_at > c.created_at
