-- For breaks of a chain ($1 entry ids, $2 users, $3 credits that vanished, $4 and $5 the times of
-- the entries around the gap): the logged request that cost this much and has no entry. The log is
-- written after the debit, and clocks differ a little, hence the five minutes.
SELECT b.user_id, b.id, min(ul.request_id)
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
       AS b (id, user_id, credits, after, before)
  JOIN public.llm_usage_log AS ul
    ON ul.user_id = b.user_id::uuid
   AND ul.credits_used = b.credits::numeric
   AND ul.created_at >= b.after::timestamptz - interval '5 minutes'
   AND ul.created_at <= b.before::timestamptz + interval '5 minutes'
 WHERE ul.success
   AND NOT ul.byok_used
   AND ul.request_id IS NOT NULL
   AND NOT EXISTS (
           SELECT FROM public.credit_transactions AS ct
            WHERE ct.user_id = ul.user_id AND ct.reference_id = ul.request_id
       )
 GROUP BY b.user_id, b.id
