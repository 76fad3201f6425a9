-- title: no description, error message or metadata contains a key
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can tell a secret for certain
-- why: providers echo the key in their error messages, and the gateway stores the message. The
--   secret is then in every backup and report, and support staff can read it.
-- remedy: have the user revoke the key at the provider: it counts as leaked. Blank the text
--   (UPDATE public.llm_usage_log SET error_message = '(removed)' WHERE id = <id>), and let the
--   gateway mask keys before it stores a message.
-- incremental: SELECT FROM (SELECT concat_ws(' ', description, nullif(metadata, '{}')) AS text
--   FROM public.credit_transactions WHERE id > $entries UNION ALL SELECT concat_ws(' ',
--   error_message, nullif(metadata, '{}')) FROM public.llm_usage_log WHERE id > $log) AS new_rows
--   WHERE text ~ '(sk-|AIza|gsk_|hf_|r8_|xai-|AKIA)[A-Za-z0-9_-]{16}'

-- The text is never shown. A key begins after a character that keys do not contain, so words such
-- as task-… do not match, and ends with one; masked keys (sk-…abcd) are too short. Keys in the
-- column for keys are key-plaintext. LIKE goes first because it is several times cheaper.
WITH texts AS (
    SELECT ct.user_id, ct.id, 'entry' AS kind, v.field, v.text
      FROM public.credit_transactions AS ct
     CROSS JOIN LATERAL (VALUES ('description', ct.description),
                                ('metadata', nullif(ct.metadata, '{}')::text)) AS v (field, text)
    UNION ALL
    SELECT l.user_id, l.id, 'log row', v.field, v.text
      FROM public.llm_usage_log AS l
     CROSS JOIN LATERAL (VALUES ('error_message', l.error_message),
                                ('metadata', nullif(l.metadata, '{}')::text)) AS v (field, text)
)
SELECT format('user %s %s %s', user_id, kind, id) AS subject,
       'no key'::text AS expected,
       'something like a key'::text AS actual,
       NULL::numeric AS difference,
       'secret-stored'::text AS cause,
       format('in %s, %s characters long', field, length(text)) AS detail
  FROM texts
 WHERE text LIKE ANY (ARRAY['%sk-%', '%AIza%', '%gsk\_%', '%hf\_%', '%r8\_%', '%xai-%', '%AKIA%'])
   AND text ~ ('(^|[^A-Za-z0-9_-])(sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{35}'
               || '|(gsk|hf|r8)_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16})'
               || '([^A-Za-z0-9_-]|$)');
