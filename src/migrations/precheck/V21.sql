-- V21 indexes references, and an entry of a B-tree has 2704 bytes: a head of 8, the user's 16, the
-- type behind a byte of its length, and the reference at a multiple of four, behind its length, as it
-- is stored (compressed, where that makes it shorter). A request has the same one in the log, whose
-- row would be one that nobody paid for if it kept the long one.
SELECT pg_catalog.format('reference of entry %s of user %s, %s bytes', id, user_id,
                         pg_catalog.octet_length(reference_id)),
       (SELECT 'BEGIN; ' || pg_catalog.string_agg(pg_catalog.format(
                   'UPDATE public.%1$s SET %2$s = left(%2$s, 400) || ''#'' || '
                   'encode(sha256(convert_to(%2$s, ''UTF8'')), ''hex'') '
                   'WHERE octet_length(%2$s) > 2000; ', t.name, t.reference), '') || 'COMMIT'
          FROM (VALUES ('credit_transactions', 'reference_id'), ('llm_usage_log', 'request_id'))
               AS t (name, reference))
  FROM public.credit_transactions
 WHERE pg_catalog.octet_length(reference_id) > 2000
   AND (8 + 16 + 1 + pg_catalog.octet_length(transaction_type) + 3) / 4 * 4
       + 4 + pg_catalog.pg_column_size(reference_id) > 2704
   AND pg_catalog.btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
 ORDER BY id
