-- title: no error message, metadata, model or provider of a request contains a key
-- kind: query
-- table: llm_usage_log
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can tell a secret for certain
-- why: providers echo the key in their error messages, and the gateway stores the message. The
--   secret is then in every backup and report, and support staff can read it.
-- remedy: have the user revoke the key at the provider: it counts as leaked. Blank the column that
--   the detail names, and no other: UPDATE public.llm_usage_log SET <column> = <value> WHERE id =
--   <id> AND user_id = <user>, to '(removed)' an error_message, a model or a provider, to '{}'
--   metadata. Let the gateway mask keys before it stores a message.
-- suspects: (octet_length(error_message) >= 20
--   AND (octet_length(error_message) > 30 OR strpos(error_message, ' ') NOT BETWEEN 11 AND 20)
--   AND (error_message LIKE '%AKIA%' OR
--   octet_length(error_message) >= 23 AND error_message LIKE ANY (ARRAY['%sk-%', '%hf\_%',
--   '%r8\_%'])
--   OR octet_length(error_message) >= 24 AND error_message LIKE ANY (ARRAY['%gsk\_%', '%xai-%'])
--   OR octet_length(error_message) >= 39 AND error_message LIKE '%AIza%')
--   OR pg_column_size(metadata) > 20 AND metadata::text LIKE ANY (ARRAY['%sk-%', '%AIza%',
--   '%gsk\_%', '%hf\_%', '%r8\_%', '%xai-%', '%AKIA%'])
--   OR octet_length(model) >= 36 AND model LIKE ANY (ARRAY['sk-%', 'AIza%', 'gsk\_%', 'hf\_%',
--   'r8\_%', 'xai-%'])
--   OR octet_length(provider) >= 36 AND provider LIKE ANY (ARRAY['sk-%', 'AIza%', 'gsk\_%',
--   'hf\_%', 'r8\_%', 'xai-%'])) IS TRUE
-- canary: {"llm_usage_log": [
--   {"user_id": "00000000-0000-4000-8000-000000000001",
--    "error_message": "sk-canary-0123456789-0123456789"}]}
-- incremental: rows

-- The text is never shown. A key begins after a character that keys do not contain, so words such
-- as task-... do not match, and ends with one; masked keys (sk-...abcd) are too short: the shortest
-- one that begins with AKIA has 20 characters, any other 23. So there is no room for one in 30
-- characters with a blank as their 11th to 20th. JSON spells a line end or a tab with a letter, as
-- in \nsk-..., which is not the character before the key. Keys in the column for keys are
-- key-plaintext, in entries secret-in-entry. A model or a provider is a key as a whole or not at
-- all, and has 36 characters then, as nearly all keys that are given out have, and few names. A
-- request_id is left out: most of them are as long as a key, and a look at how each begins takes
-- 6 % of the pass over the log.
WITH texts AS (
    SELECT l.user_id, l.id, v.field, v.text
      FROM public.llm_usage_log AS l
     CROSS JOIN LATERAL (VALUES ('error_message', l.error_message),
                                ('metadata', nullif(l.metadata, '{}')::text)) AS v (field, text)
    UNION ALL
    SELECT l.user_id, l.id, v.field, v.text
      FROM public.llm_usage_log AS l
     CROSS JOIN LATERAL (VALUES ('model', l.model), ('provider', l.provider)) AS v (field, text)
     WHERE octet_length(v.text) >= 36 AND v.text ~ '^(sk-|AIza|gsk_|hf_|r8_|xai-)'
)
SELECT format('user %s log row %s', user_id, id) AS subject,
       'no key'::text AS expected,
       'something like a key'::text AS actual,
       NULL::numeric AS difference,
       'secret-stored'::text AS cause,
       format('in %s, %s characters long', field, length(text)) AS detail
  FROM texts
 WHERE text LIKE ANY (ARRAY['%sk-%', '%AIza%', '%gsk\_%', '%hf\_%', '%r8\_%', '%xai-%', '%AKIA%'])
   AND text ~ ('(^|[^A-Za-z0-9_-]|\\[bfnrt]|\\u[0-9A-Fa-f]{4})('
               || 'sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{35}|(gsk|hf|r8)_[A-Za-z0-9]{20,}'
               || '|xai-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16})'
               || '([^A-Za-z0-9_-]|$)');
