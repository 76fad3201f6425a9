-- title: an admin_adjustment says why
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the functions accept an empty description
-- why: an adjustment without a reason is anonymous money: nobody can tell a goodwill gesture from
--   a theft.
-- remedy: ask whoever was on duty, and add the reason: UPDATE public.credit_transactions SET
--   description = <reason and ticket> WHERE <key of the entry>. From schema 1.3.0 on only the owner
--   can, who switches the trigger credit_transactions_keep_entries off in the same transaction.
-- expected: 'a description'
-- actual: coalesce(quote_literal(description), 'NULL')
-- difference: nullif(amount, 'NaN')
-- canary: {"transaction_type": "admin_adjustment", "description": " "}

-- The words are not judged, only that there are some.
transaction_type IS NOT DISTINCT FROM 'admin_adjustment'
AND (btrim(description, E' \t\r\n') <> '') IS NOT TRUE
