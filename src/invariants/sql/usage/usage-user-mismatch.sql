-- title: a request is charged to the user who sent it
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare rows of two tables
-- why: the gateway debits the owner of a service key and logs the user behind it, or takes the user
--   of the next request from a shared variable. One user pays for another.
-- remedy: find out who sent the request. When it was the one who paid, correct the log: UPDATE
--   public.llm_usage_log SET user_id = <user of the entry> WHERE id = <log row>. Else ask the
--   ledger what is left of the charge: SELECT -sum(amount) FROM public.credit_transactions WHERE
--   user_id = <user of the entry> AND (reference_id = <request_id> OR starts_with(reference_id,
--   <request_id> || ' part ')) AND transaction_type IN ('usage', 'refund', 'admin_adjustment').
--   Give that back where it is above 0: SELECT * FROM public.add_user_credits(<user of the entry>,
--   <charged>, 'refund', <request_id>, <reason>). Where a part was refunded before, pass
--   admin_adjustment, and where an adjustment has that reference, '<request_id> part <n>' with the
--   next number. Then charge the other with public.debit_user_credits and type usage.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000002", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"}], "llm_usage_log": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "request_id": "a", "success": true,
--    "credits_used": 5, "created_at": "2021-01-01T00:00:00Z"}]}
-- incremental: SELECT FROM public.llm_usage_log AS n WHERE n.id > $log AND n.success IS NOT
--   FALSE AND n.byok_used IS NOT TRUE AND n.credits_used > 0 AND n.credits_used <> 'NaN' AND
--   btrim(n.request_id) NOT IN ('', 'None', 'null', 'undefined') AND n.created_at < (SELECT
--   current_setting('creditdb.now')::timestamptz) - interval '15 minutes' AND NOT EXISTS (SELECT
--   FROM public.credit_transactions AS ct WHERE ct.transaction_type = 'usage' AND ct.user_id =
--   n.user_id AND ct.reference_id = n.request_id)

-- Where the user who was charged has no log row, and the user of the log row no charge, under this
-- id: both ends of it are usage-unbilled and charge-without-usage, too. Rows younger than 15
-- minutes are not judged. Ids that two users share are request-id-collision.
SELECT format('request %s', l.request_id) AS subject,
       'charged to user ' || l.user_id AS expected,
       'charged to user ' || ct.user_id AS actual,
       nullif(ct.amount, 'NaN') AS difference,
       'wrong-user'::text AS cause,
       format('log row %s, entry %s', l.id, ct.id) AS detail
  FROM public.llm_usage_log AS l
  JOIN public.credit_transactions AS ct
    ON ct.reference_id = l.request_id AND ct.transaction_type = 'usage'
 WHERE ct.user_id <> l.user_id
   AND l.success IS NOT FALSE AND l.byok_used IS NOT TRUE
   AND l.credits_used > 0 AND l.credits_used <> 'NaN'
   AND btrim(l.request_id) NOT IN ('', 'None', 'null', 'undefined')
   AND l.created_at
       < (SELECT current_setting('creditdb.now')::timestamptz - interval '15 minutes')
   AND NOT EXISTS (
           SELECT FROM public.credit_transactions AS own
            WHERE own.transaction_type = 'usage' AND own.user_id = l.user_id
              AND own.reference_id = l.request_id)
   AND NOT EXISTS (
           SELECT FROM public.llm_usage_log AS own
            WHERE own.user_id = ct.user_id AND own.request_id = ct.reference_id);
