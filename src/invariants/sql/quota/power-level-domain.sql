-- title: the power level of a user exists and is active
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: the CHECK knows the words, not whether power_level_configs has them
-- why: a level was renamed or switched off while users still have it. Their requests find no
--   route, or fall back to a price that was not agreed.
-- remedy: move the users, UPDATE public.user_credits SET power_level = 'balanced', updated_at =
--   now() WHERE power_level = <level>, or switch the level on again in
--   public.power_level_configs.
-- canary: {"user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "power_level": "eco"}],
--   "power_level_configs": [
--   {"power_level": "eco", "is_active": false}]}

-- One finding per level, not per user. Levels in the usage log are history and may be gone.
WITH levels AS (
    SELECT power_level, count(*) AS users FROM public.user_credits GROUP BY power_level
)
SELECT 'power level ' || coalesce(quote_literal(l.power_level), 'NULL') AS subject,
       'an active row in power_level_configs'::text AS expected,
       coalesce((SELECT 'inactive'::text FROM public.power_level_configs AS pl
                  WHERE pl.power_level = l.power_level LIMIT 1), 'no row') AS actual,
       NULL::numeric AS difference,
       NULL::text AS cause,
       'users who have it: ' || l.users AS detail
  FROM levels AS l
 WHERE NOT EXISTS (SELECT FROM public.power_level_configs AS pl
                    WHERE pl.power_level = l.power_level AND pl.is_active);
