-- title: the price of a package is its credits at 0.10 US dollars each, less the discount
-- kind: row
-- table: credit_packages
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a promotion may depart from the list price on purpose
-- why: a price was edited and the discount beside it was not, so the shop announces a discount
--   that the user does not get, or sells below price.
-- remedy: decide which of the two is right and change the other: UPDATE public.credit_packages
--   SET discount = <percent>, updated_at = now() WHERE name = <package>.
-- expected: round(credits * 0.10 * (1 - discount / 100), 2)::text
-- actual: coalesce(price_usd::text, 'NULL')
-- canary: {"credits": 100, "price_usd": 1, "discount": 0, "is_active": true}

-- In dollars, so there is no difference in credits. Packages that are no longer sold may keep a
-- price of another time. Values out of range are package-positive and package-discount-range.
is_active IS NOT FALSE
AND price_usd IS DISTINCT FROM round(credits * 0.10 * (1 - discount / 100), 2)
