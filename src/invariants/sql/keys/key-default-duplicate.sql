-- title: a user has one default key per provider
-- kind: query
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: user_provider_keys_default_key
-- why: two requests set a default at the same time, or an import marked every key. Which key pays
--   is then left to chance.
-- remedy: keep the one that was used last: UPDATE public.user_provider_keys SET is_default =
--   false, updated_at = now() WHERE id = <the other>.
-- canary: {"user_provider_keys": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "provider": "openai", "is_default": true},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "provider": "openai", "is_default": true}]}

-- Inactive defaults count too (each is key-default-inactive as well): made active, they compete.
SELECT format('user %s provider %s', user_id, provider) AS subject,
       '1 default key'::text AS expected,
       count(*) || ' default keys' AS actual,
       NULL::numeric AS difference,
       NULL::text AS cause,
       'keys ' || string_agg(id::text, ', ' ORDER BY id) AS detail
  FROM public.user_provider_keys
 WHERE is_default
 GROUP BY user_id, provider
HAVING count(*) > 1;
