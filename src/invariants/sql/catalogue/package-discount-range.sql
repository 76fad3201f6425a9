-- title: a discount is a percentage from 0 to below 100
-- kind: row
-- table: credit_packages
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_packages_discount_range_check, credit_packages.discount not null
-- why: a discount above 100 % makes the price negative, a negative one is a surcharge that the
--   shop announces as a discount.
-- remedy: set the percentage that the price stands for: UPDATE public.credit_packages SET
--   discount = <percent>, updated_at = now() WHERE id = <id>; then restore the constraint
--   credit_packages_discount_range_check.
-- expected: '0 to below 100'
-- actual: coalesce(discount::text, 'NULL')
-- canary: {"discount": 100}

-- A fraction, 0.1 for 10 %, is in range but does not fit the price: package-price-arithmetic.
(discount >= 0 AND discount < 100) IS NOT TRUE
