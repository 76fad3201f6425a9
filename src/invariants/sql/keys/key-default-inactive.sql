-- title: a default key is active
-- kind: row
-- table: user_provider_keys
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a key can be switched off before another default is chosen
-- why: the user switched the key off, or the provider refused it, and nobody chose another.
--   Requests that name no key fail, or are charged in credits without the user's knowledge.
-- remedy: UPDATE public.user_provider_keys SET is_default = false, updated_at = now() WHERE id =
--   <id>, and let the user choose another default.
-- expected: 'active, or no default'
-- actual: 'inactive default of provider ' || left(provider, 20)
-- canary: {"is_default": true, "is_active": false}

-- A user without any default is fine: requests then use the gateway's keys.
is_default IS TRUE AND is_active IS NOT TRUE
