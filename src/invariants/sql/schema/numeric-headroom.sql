-- title: no amount comes near the end of its column's range
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the column only says so when it overflows
-- why: numeric(20,8) ends below 1000000000000. The purchase that overflows has been paid for, and
--   the functions refuse it.
-- remedy: see whether the unit of the amount is right. When such balances are real, plan a
--   migration that widens amount, balance_after and user_credits.balance.
-- expected: 'below 900000000000'
-- actual: greatest(abs(amount), abs(balance_after))::text
-- canary: {"amount": 950000000000, "balance_after": 1}

-- 90 % of the range. Each balance is the balance_after of an entry, and each cost in the usage log
-- an amount, so these two columns stand for all. NaN is amount-not-finite.
(amount >= 900000000000 AND amount <> 'NaN' OR amount <= -900000000000
 OR balance_after >= 900000000000 AND balance_after <> 'NaN' OR balance_after <= -900000000000
) IS TRUE
