-- title: a purchase names its payment
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the functions accept a missing reference
-- why: without the payment nobody can trace the purchase, refund it, or see that a webhook came
--   twice.
-- remedy: find the payment at the provider by user, time and amount, and add it: UPDATE
--   public.credit_transactions SET reference_id = <payment> WHERE <key of the entry>. From schema
--   1.3.0 on only the owner can, who switches the trigger credit_transactions_keep_entries off in
--   the same transaction.
-- expected: 'a payment'
-- actual: coalesce(quote_literal(reference_id), 'NULL')
-- difference: nullif(amount, 'NaN')
-- canary: {"transaction_type": "purchase", "reference_id": "null"}

-- Payments that are credited twice are purchase-reference-duplicate.
transaction_type IS NOT DISTINCT FROM 'purchase'
AND (btrim(reference_id, E' \t\r\n') NOT IN ('', 'None', 'null', 'undefined')) IS NOT TRUE
