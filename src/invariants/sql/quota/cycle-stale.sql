-- title: a balance that moves has a billing cycle of its own month
-- kind: row
-- table: user_credits
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a CHECK would refuse the debits of users whose cycle nobody renewed
-- why: the job that begins cycles is dead. Usage still counts into last month's cycle, and users
--   who pay for a new month find their allowance used up.
-- remedy: run the job. By hand, take the row lock first, so that the new cycle begins after
--   whatever was ahead in the queue: BEGIN; SELECT FROM public.user_credits WHERE user_id = <user>
--   FOR NO KEY UPDATE; UPDATE public.user_credits SET billing_cycle_start = clock_timestamp(),
--   credits_used_this_month = 0, updated_at = clock_timestamp() WHERE user_id = <user>; COMMIT;
--   then let the job say when it did not run. A job needs the same lock, because now() is the
--   moment before the wait.
-- expected: format('before %s', billing_cycle_start + interval '1 month 3 days')
-- actual: 'changed ' || updated_at
-- canary: {"updated_at": "2026-06-01", "billing_cycle_start": "2026-01-01"}

-- A user who does nothing may keep an old cycle: what counts is whether the balance row changed
-- after the cycle should have ended, three days left for the job. A start in the future is
-- cycle-start-future; near the last date that there is, a month more would be an error.
CASE WHEN billing_cycle_start < '294276-01-01 UTC'
     THEN updated_at > billing_cycle_start + interval '1 month 3 days' END IS TRUE
