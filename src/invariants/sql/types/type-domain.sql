-- title: the type of an entry is purchase, usage, refund, admin_adjustment or bonus
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_transaction_type_check, credit_transactions.transaction_type
--   not null
-- why: a second program writes its own words (debit, allocation, adjustment). Every report that
--   filters by type leaves those credits out, and no rule about signs applies to them.
-- remedy: find the writer by description and metadata and make it use the stored functions. Map
--   the old word to one of the five in an agreed, recorded correction, then restore the
--   constraint credit_transactions_transaction_type_check.
-- expected: 'purchase, usage, refund, admin_adjustment or bonus'
-- actual: coalesce(transaction_type, 'NULL')
-- difference: nullif(amount, 'NaN')
-- canary: {"transaction_type": "debit"}

-- Spelling counts: 'Purchase' and 'purchase ' are other words to every query.
(transaction_type IN ('purchase', 'usage', 'refund', 'admin_adjustment', 'bonus')) IS NOT TRUE
