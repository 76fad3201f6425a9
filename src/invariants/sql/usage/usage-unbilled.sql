-- title: a successful, paid request has a usage entry of the same user
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: log and ledger are written by two calls until schema 1.2.0
-- why: the debit failed and the gateway answered all the same, or the client disconnected before
--   the debit ran. The request was served for free. Rows younger than 15 minutes are not judged,
--   because log and debit are not written in one transaction.
-- remedy: settle usage-user-mismatch first, where it names the request, and audit again. Charge
--   what was logged: SELECT * FROM public.debit_user_credits(<user>, <credits>, 'usage',
--   <request_id>, 'late charge'); when the balance does not suffice, use the type admin_adjustment
--   and set credits_used of the row to 0, or write it off.
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

-- No entry at all, that is: another amount is usage-amount-mismatch, more than one entry is
-- usage-reference-duplicate, a row without an id is request-id-missing. Requests that failed,
-- cost nothing or used the user's own key (byok-charged) need no entry.
SELECT format('request %s of user %s', l.request_id, l.user_id) AS subject,
       trim_scale(-l.credits_used)::text AS expected,
       'no entry'::text AS actual,
       l.credits_used AS difference,
       'not-debited'::text AS cause,
       format('log row %s: model %s of %s, %s tokens, logged %s',
              l.id, l.model, l.provider, l.total_tokens, l.created_at) AS detail
  FROM public.llm_usage_log AS l
 WHERE l.success IS NOT FALSE
   AND l.byok_used IS NOT TRUE
   AND l.credits_used > 0 AND l.credits_used <> 'NaN'
   AND btrim(l.request_id) NOT IN ('', 'None', 'null', 'undefined')
   AND l.created_at
       < (SELECT current_setting('creditdb.now')::timestamptz - interval '15 minutes')
   AND NOT EXISTS (
           SELECT FROM public.credit_transactions AS ct
            WHERE ct.transaction_type = 'usage'
              AND ct.user_id = l.user_id
              AND ct.reference_id = l.request_id);
