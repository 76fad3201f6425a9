-- why: of two default keys for one provider, chance decides which one pays.
-- locks: share update exclusive on user_provider_keys while it is built; nobody waits.
-- transaction: none
-- undo: DROP INDEX CONCURRENTLY public.user_provider_keys_default_key.
-- precheck: key-default-duplicate

-- Inactive defaults count, too: made active, they would compete.
CREATE UNIQUE INDEX CONCURRENTLY user_provider_keys_default_key
    ON public.user_provider_keys (user_id, provider)
    WHERE is_default;
