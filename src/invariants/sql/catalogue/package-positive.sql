-- title: the credits and the price of a package are above 0
-- kind: row
-- table: credit_packages
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_packages_positive_check, credit_packages.credits not null,
--   credit_packages.price_usd not null
-- why: a package was entered with an empty field. It sells credits for nothing, or takes money
--   for no credits.
-- remedy: make it inactive at once, UPDATE public.credit_packages SET is_active = false,
--   updated_at = now() WHERE id = <id>, then set the right values and restore the constraint
--   credit_packages_positive_check.
-- expected: 'credits and price above 0'
-- actual: format('credits %s, price %s', trim_scale(credits), price_usd)
-- canary: {"credits": 0, "price_usd": 1}

-- Whether the price fits the credits is package-price-arithmetic.
(credits > 0 AND credits < 'Infinity' AND price_usd > 0 AND price_usd < 'Infinity') IS NOT TRUE
