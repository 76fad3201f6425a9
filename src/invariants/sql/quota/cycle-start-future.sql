-- title: a billing cycle has begun
-- kind: row
-- table: user_credits
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a CHECK cannot compare with a clock
-- why: a job computed the start in local time, or stored the next cycle's start too early. Until
--   then the user's usage counts into no cycle, and the allowance does not bite.
-- remedy: set the start to the moment that was meant, and the counter with it, under the row lock:
--   BEGIN; SELECT FROM public.user_credits WHERE user_id = <user> FOR NO KEY UPDATE; UPDATE
--   public.user_credits SET billing_cycle_start = <start>, credits_used_this_month = (SELECT
--   coalesce(-sum(amount), 0) FROM public.credit_transactions WHERE user_id = <user> AND
--   transaction_type = 'usage' AND created_at >= <start>), updated_at = clock_timestamp() WHERE
--   user_id = <user>; COMMIT.
-- expected: format('not after %s', (SELECT current_setting('creditdb.now')::timestamptz +
--   interval '5 minutes'))
-- actual: coalesce(billing_cycle_start::text, 'NULL')
-- canary: {"billing_cycle_start": "2999-01-01"}

-- Five minutes are left for clocks that differ.
(billing_cycle_start <= (SELECT current_setting('creditdb.now')::timestamptz
                                + interval '5 minutes')) IS NOT TRUE
