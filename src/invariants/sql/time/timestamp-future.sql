-- title: nothing was created in the future
-- kind: row
-- table: credit_transactions, llm_usage_log, user_credits, user_provider_keys
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: a CHECK cannot compare with a clock
-- why: a client sent its local time as UTC, or a clock is wrong. Rows from the future escape
--   every report of a period, count into the wrong billing cycle and hide from grace windows.
-- remedy: find the writer that sets created_at itself and let the column default do it. Correct
--   rows of the log by the offset; of entries only in a recorded exception: nothing else depends
--   on created_at, the chain follows the ids.
-- expected: format('not after %s', (SELECT current_setting('creditdb.now')::timestamptz +
--   interval '5 minutes'))
-- actual: created_at::text
-- canary: {"created_at": "2999-01-01"}
-- incremental: rows

-- Five minutes are left for clocks that differ. Missing and ancient times are timestamp-missing.
(created_at > (SELECT current_setting('creditdb.now')::timestamptz + interval '5 minutes')) IS TRUE
