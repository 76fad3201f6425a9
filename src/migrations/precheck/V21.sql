-- V21 indexes references, and an entry of a B-tree has 2704 bytes: a head of 8, the user's 16, the
-- type behind a byte of its length, and the reference at a multiple of four, behind its length, as it
-- is stored (compressed, where that makes it shorter).
SELECT pg_catalog.format('reference of entry %s of user %s, %s bytes', id, user_id,
                         pg_catalog.octet_length(reference_id)),
       'UPDATE public.credit_transactions SET reference_id = left(reference_id, 400) || ''#'' || '
       'encode(sha256(convert_to(reference_id, ''UTF8'')), ''hex'') '
       'WHERE octet_length(reference_id) > 2000'
  FROM public.credit_transactions
 WHERE pg_catalog.octet_length(reference_id) > 2000
   AND (8 + 16 + 1 + pg_catalog.octet_length(transaction_type) + 3) / 4 * 4
       + 4 + pg_catalog.pg_column_size(reference_id) > 2704
   AND pg_catalog.btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
 ORDER BY id
