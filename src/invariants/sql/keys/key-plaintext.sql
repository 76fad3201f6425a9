-- title: encrypted_key holds ciphertext, not a raw key
-- kind: row
-- table: user_provider_keys
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can tell ciphertext from a secret for certain
-- why: one path writes the key before it encrypts it. The secret is then in every backup, replica
--   and log of this database, and whoever reads the table can spend the user's money at the
--   provider.
-- remedy: have the user revoke the key at the provider: it counts as leaked, whatever happens to
--   the row. Delete the row (DELETE FROM public.user_provider_keys WHERE id = <id>), let the user
--   enter a new key, and remove the write path that does not encrypt.
-- expected: 'ciphertext'
-- actual: format('%s characters for provider %s, shape %s', length(encrypted_key), left(provider,
--   20), coalesce(substring(encrypted_key FROM
--   '^[\s"'']*(sk-ant-|sk-or-|sk-|AIza|gsk_|hf_|xai-|r8_|AKIA|-----BEGIN|\{)'), 'Bearer'))
-- canary: {"encrypted_key": "sk-canary-0123456789"}

-- The value is never shown: provider, length and the fixed beginning of its kind are. Base64 may
-- start with such letters by chance, so what follows must look like a key as well; JSON that
-- names its ciphertext is an envelope, not a key. Keys inside other columns are secret-in-text.
(encrypted_key ~ ('^[\s"'']*((bearer\s+)?(sk-[\w-]{12,}|AIza[\w-]{35}|gsk_\w{20,}|hf_\w{20,}'
                  || '|xai-[\w-]{20,}|r8_\w{20,}|AKIA[0-9A-Z]{16})[\s"'']*$'
                  || '|[Bb][Ee][Aa][Rr][Ee][Rr]\s|-----BEGIN [A-Z ]*PRIVATE KEY)')
 OR encrypted_key ~ '^\s*\{' AND encrypted_key !~* '"(ciphertext|encrypted_?(key|data))"\s*:'
) IS TRUE
