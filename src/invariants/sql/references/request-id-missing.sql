-- title: a logged request has a request id
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: some upstreams send none, and a paid request must be logged even so
-- why: without an id a retry cannot be told from a second request, and the row cannot be compared
--   with its debit. 'None', 'null' and 'undefined' are what programs make of a missing value.
-- remedy: let the gateway make an id of its own when the upstream sends none, and use it for the
--   debit as well. Give rows that are there one by hand only where the debit can be told by time
--   and amount: UPDATE public.llm_usage_log SET request_id = <reference_id> WHERE id = <id>.
-- expected: 'an id'
-- actual: coalesce(quote_literal(request_id), 'NULL')
-- difference: nullif(credits_used, 'NaN')
-- canary: {"request_id": " None", "success": true, "credits_used": 1}

-- A request that failed for free may lack an id: it may never have reached an upstream.
-- usage-unbilled, charge-without-usage and the duplicates leave out what is reported here, but for
-- tabs and line ends: to the unique indexes and the functions those are an id like any other.
-- Most ids are told from those words by their length and by how they begin: not with a blank, a
-- tab, a line end, N, n or u.
(octet_length(request_id) > 9 AND ascii(request_id) NOT IN (9, 10, 13, 32, 78, 110, 117)
 OR btrim(request_id, E' \t\r\n') NOT IN ('', 'None', 'null', 'undefined')) IS NOT TRUE
AND (success IS FALSE AND credits_used = 0) IS NOT TRUE
