-- title: no ciphertext is stored twice
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: ciphertexts are too long to index, and not compared
-- why: a row was copied to another user, who now spends the first user's money at the provider.
--   Or the encryption draws no random numbers, so equal keys look equal.
-- remedy: ask both users to enter their keys again and delete the copies: DELETE FROM
--   public.user_provider_keys WHERE id = <id>. When the rows were made apart, repair the
--   encryption.
-- canary: {"user_provider_keys": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "encrypted_key": "canary"},
--   {"user_id": "00000000-0000-4000-8000-000000000002", "encrypted_key": "canary"}]}

-- The value itself is never shown. Grouped by the value: a hash could collide.
SELECT format('user %s key %s', min(user_id::text), min(id)) AS subject,
       '1 row'::text AS expected,
       count(*) || ' rows' AS actual,
       NULL::numeric AS difference,
       CASE WHEN min(user_id::text) <> max(user_id::text) THEN 'other-user'
            ELSE 'same-user' END AS cause,
       format('keys %s, last of user %s', string_agg(id::text, ', ' ORDER BY id),
              max(user_id::text)) AS detail
  FROM public.user_provider_keys
 WHERE encrypted_key <> ''
 GROUP BY encrypted_key
HAVING count(*) > 1;
