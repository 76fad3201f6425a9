-- title: the balance of a user is a finite number
-- kind: row
-- table: user_credits
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: user_credits_balance_check, user_credits.balance not null
-- why: numeric(20,8) accepts NaN, and NaN is greater than every price: the user can spend without
--   end, and every balance after it is NaN, too.
-- remedy: set the balance to the balance_after of the user's last entry: "creditdb verify
--   balance-equals-last" names both. When the entries hold NaN as well, see amount-not-finite.
-- expected: 'a finite number'
-- actual: coalesce(balance::text, 'NULL')
-- canary: {"balance": "NaN"}

-- NaN in entries is amount-not-finite. In PostgreSQL NaN is greater than Infinity.
(balance > '-Infinity' AND balance < 'Infinity') IS NOT TRUE
