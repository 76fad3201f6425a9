-- title: a purchase is the size of a package
-- kind: query
-- scope: global
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: packages come and go, and a purchase may be agreed by hand
-- why: the webhook granted dollars as credits, or the price in cents. The user paid for one amount
--   and has another.
-- remedy: look the payment up at the provider, and correct the purchase by its difference with type
--   admin_adjustment and the payment as reference. A package that was deleted comes back with
--   is_active = false, so that its purchases explain themselves.
-- canary: {"credit_transactions": [
--   {"transaction_type": "purchase", "amount": 10}], "credit_packages": [
--   {"credits": 100, "price_usd": 10}]}
-- incremental: SELECT FROM public.credit_transactions AS n WHERE n.id > $entries AND
--   n.transaction_type = 'purchase' AND n.amount > 0 AND NOT EXISTS (SELECT FROM
--   public.credit_packages AS p WHERE p.credits = n.amount)

-- Packages that are no longer sold count. One finding per amount, not per purchase.
-- Between full audits, a package that was deleted is not missed by older purchases.
SELECT 'purchases of ' || trim_scale(ct.amount) AS subject,
       'a package of this size'::text AS expected,
       'none'::text AS actual,
       sum(ct.amount) AS difference,
       CASE WHEN EXISTS (SELECT FROM public.credit_packages AS p
                          WHERE ct.amount IN (p.price_usd, p.price_usd * 100))
            THEN 'dollars-for-credits' ELSE 'no-package' END AS cause,
       format('%s purchases, entries %s to %s', count(*), min(ct.id), max(ct.id)) AS detail
  FROM public.credit_transactions AS ct
 WHERE ct.transaction_type = 'purchase' AND ct.amount > 0 AND ct.amount < 'Infinity'
   AND NOT EXISTS (SELECT FROM public.credit_packages AS p WHERE p.credits = ct.amount)
 GROUP BY ct.amount;
