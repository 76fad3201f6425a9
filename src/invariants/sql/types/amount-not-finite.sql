-- title: amount and balance_after of an entry are finite numbers
-- kind: row
-- table: credit_transactions
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_finite_check, credit_transactions.amount not null,
--   credit_transactions.balance_after not null
-- why: numeric(20,8) accepts NaN, and a float that was divided by zero arrives as one. From then
--   on every sum and every balance of the user is NaN, and no comparison refuses it.
-- remedy: find what the entry should have been from reference_id and the usage log. Correct the
--   entry in a recorded exception, as no further entry can bring a NaN balance back to a number;
--   then set the balance, and run "creditdb verify --area chain".
-- expected: 'finite numbers'
-- actual: format('amount %s, balance_after %s', coalesce(trim_scale(amount)::text, 'NULL'),
--   coalesce(trim_scale(balance_after)::text, 'NULL'))
-- canary: {"amount": 1, "balance_after": "NaN"}

-- A balance of NaN is balance-not-finite, a logged cost of NaN credits-negative, a
-- counter or allowance of NaN quota-negative. In PostgreSQL NaN is greater than Infinity.
(amount > '-Infinity' AND amount < 'Infinity'
 AND balance_after > '-Infinity' AND balance_after < 'Infinity') IS NOT TRUE
