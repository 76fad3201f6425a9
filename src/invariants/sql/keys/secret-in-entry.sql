-- title: no description or metadata of an entry contains a key
-- kind: query
-- table: credit_transactions
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can tell a secret for certain
-- why: somebody pasted an error message of the provider into a ticket, and from there into the
--   reason of a correction. The secret is then in every backup and statement, and support staff
--   can read it.
-- remedy: have the user revoke the key at the provider: it counts as leaked. Blank the column that
--   the detail names: UPDATE public.credit_transactions SET <column> = <value> WHERE id = <id> AND
--   user_id = <user>, to '(removed)' a description, to '{}' metadata. From schema 1.3.0 on only the
--   owner can, who switches the trigger credit_transactions_keep_entries off in the same
--   transaction.
-- suspects: (octet_length(description) >= 20
--   AND (octet_length(description) > 30 OR strpos(description, ' ') NOT BETWEEN 11 AND 20)
--   AND (description LIKE '%AKIA%' OR
--   octet_length(description) >= 23 AND description LIKE ANY (ARRAY['%sk-%', '%hf\_%', '%r8\_%'])
--   OR octet_length(description) >= 24 AND description LIKE ANY (ARRAY['%gsk\_%', '%xai-%'])
--   OR octet_length(description) >= 39 AND description LIKE '%AIza%')
--   OR pg_column_size(metadata) > 20 AND metadata::text LIKE ANY (ARRAY['%sk-%', '%AIza%',
--   '%gsk\_%', '%hf\_%', '%r8\_%', '%xai-%', '%AKIA%'])) IS TRUE
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001",
--    "description": "sk-canary-0123456789-0123456789"}]}
-- incremental: rows

-- The text is never shown. A key begins after a character that keys do not contain, so words such
-- as task-... do not match, and ends with one; masked keys (sk-...abcd) are too short: the shortest
-- one that begins with AKIA has 20 characters, any other 23. So there is no room for one in 30
-- characters with a blank as their 11th to 20th. JSON spells a line end or a tab with a letter, as
-- in \nsk-..., which is not the character before the key. Keys in the column for keys are
-- key-plaintext, in the log secret-in-text. A reference_id is left out, as a request_id is there.
WITH texts AS (
    SELECT ct.user_id, ct.id, v.field, v.text
      FROM public.credit_transactions AS ct
     CROSS JOIN LATERAL (VALUES ('description', ct.description),
                                ('metadata', nullif(ct.metadata, '{}')::text)) AS v (field, text)
)
SELECT format('user %s entry %s', user_id, id) AS subject,
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
