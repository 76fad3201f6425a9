-- title: nothing was updated before it was created
-- kind: row
-- table: user_credits, user_provider_keys, credit_packages, power_level_configs
-- scope: global
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: a clock that is set back breaks it without a fault
-- why: created_at was written by a client with another clock or zone, or a row was restored with
--   half its times.
-- remedy: see which of the two is wrong by the neighbours, and set it: the first entry of the
--   user is not older than the balance row: SELECT min(created_at) FROM
--   public.credit_transactions WHERE user_id = <user>.
-- expected: format('not before %s', created_at)
-- actual: updated_at::text
-- canary: {"created_at": "2026-01-02", "updated_at": "2026-01-01"}

-- Missing times are timestamp-missing.
(updated_at < created_at) IS TRUE
