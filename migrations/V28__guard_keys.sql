-- why: a key whose user has no balance row belongs to nobody.
-- locks: exclusive on user_credits and access exclusive on user_provider_keys, for a
--   moment: old rows are read by V30.
-- transaction: one
-- undo: drop the two constraints.
-- precheck: balance-row-missing, user-id-nil

-- First, and not for long, as in V27.
LOCK TABLE public.user_credits IN EXCLUSIVE MODE;

SET LOCAL lock_timeout = '500ms';

ALTER TABLE public.user_provider_keys
    ADD CONSTRAINT user_provider_keys_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES public.user_credits (user_id) NOT VALID;

ALTER TABLE public.user_provider_keys
    ADD CONSTRAINT user_provider_keys_user_id_check
    CHECK (user_id <> '00000000-0000-0000-0000-000000000000') NOT VALID;
