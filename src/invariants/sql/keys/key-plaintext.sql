-- title: a key is stored as ciphertext, and not in its name
-- kind: row
-- table: user_provider_keys
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can tell ciphertext from a secret for certain
-- why: one path writes the key before it encrypts it, or nothing, or a user pasted it into the
--   wrong field of a form, and it became the name. The secret is then in every backup, replica and
--   log of this database, and whoever reads the table can spend the user's money at the provider.
-- remedy: have the user revoke the key at the provider: it counts as leaked, whatever happens to
--   the row. Delete the row (DELETE FROM public.user_provider_keys WHERE id = <id> AND user_id =
--   <user>), let the user enter a new key, and remove the write path that does not encrypt. An
--   encrypted_key of nothing has leaked nothing: delete the row all the same.
-- expected: 'ciphertext'
-- actual: CASE WHEN key_name ~ '(sk-|AIza|gsk_|hf_|xai-|r8_|AKIA)[\w-]{16}' THEN 'a key in
--   key_name; ' ELSE '' END || format('%s characters for provider %s, shape %s',
--   length(encrypted_key), left(provider, 20), coalesce(CASE WHEN encrypted_key !~ '\S' THEN
--   'blank' END, substring(encrypted_key FROM
--   '(?:^|[^A-Za-z0-9_-]|\\[bfnrt])(sk-ant-|sk-or-|sk-|AIza|gsk_|hf_|xai-|r8_|AKIA)[\w-]{12}'),
--   substring(encrypted_key FROM '^[\s"'']*(-----BEGIN|\{)'), CASE WHEN encrypted_key ~*
--   '^[\s"'']*bearer' THEN 'Bearer' ELSE 'none' END))
-- canary: {"encrypted_key": "sk-canary-0123456789"}

-- The value is never shown: provider, length and the fixed beginning of its kind are. JSON that
-- names its ciphertext is an envelope, not a key, unless a key is in it. Keys inside other tables
-- are secret-in-entry and secret-in-text; a name may begin like a key, but be too short for one.
-- Ciphertext may look like a key by chance. Base64 has no - and no _, so that only AIza and AKIA
-- can be in it, and between two of + and /, once in 10^10 characters. Base64url has no such
-- boundaries, but begins with sk-, hf_ or r8_ once in 90,000 times. So a key inside of something
-- has a second hyphen after a word of small letters, or at most 64 letters and digits: what a key
-- is encrypted to with nonce and tag is longer, and has a - or _ somewhere. Nor does a key begin
-- after a dot, which parts the fields of a JWE. The letters are looked for first: that is quicker.
(encrypted_key !~ '\S'
 OR key_name ~ ('(^|[^A-Za-z0-9_-])(sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{35}'
                || '|(gsk|hf|r8)_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16})'
                || '([^A-Za-z0-9_-]|$)')
 OR encrypted_key ~ '^[\s"'']*([Bb][Ee][Aa][Rr][Ee][Rr]\s|-----BEGIN [A-Z ]*PRIVATE KEY)'
 OR encrypted_key ~ '^\s*\{' AND encrypted_key !~* '"(ciphertext|encrypted_?(key|data))"\s*:'
 OR encrypted_key LIKE ANY (ARRAY['%sk-%', '%AIza%', '%gsk\_%', '%hf\_%', '%r8\_%', '%xai-%',
                                  '%AKIA%'])
    AND (encrypted_key ~ ('^[\s"'']*(sk-[\w-]{12,}|AIza[\w-]{35}|gsk_\w{20,}|hf_\w{20,}'
                          || '|xai-[\w-]{20,}|r8_\w{20,}|AKIA[0-9A-Z]{16})[\s"'']*$')
         OR encrypted_key ~ (
                '(^|[^A-Za-z0-9_.-]|\\[bfnrt]|\\u[0-9A-Fa-f]{4})('
                || 'sk-[a-z]{2,12}-[A-Za-z0-9_-]{20,}|(sk-|gsk_|hf_|r8_)[A-Za-z0-9]{20,64}'
                || '|xai-[A-Za-z0-9-]{20,}|AIza[A-Za-z0-9_-]{35}|AKIA[0-9A-Z]{16})'
                || '([^A-Za-z0-9_-]|$)'))
) IS TRUE
