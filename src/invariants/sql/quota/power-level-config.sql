-- title: the parameters of a power level can be used
-- kind: row
-- table: power_level_configs
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: power_level_configs_config_check, power_level_configs.preferred_providers not null,
--   power_level_configs.cost_multiplier not null, power_level_configs.max_latency_ms not null,
--   power_level_configs.min_quality_score not null
-- why: a broken seed or a hand edit leaves a factor of 0 or NaN, which makes requests free or
--   poisons their cost, or a list of providers that routing cannot walk.
-- remedy: set the values of the documentation again ("Power Levels"): UPDATE
--   public.power_level_configs SET cost_multiplier = <factor>, updated_at = now() WHERE
--   power_level = <level>; then restore the constraint power_level_configs_config_check.
-- expected: 'factor and latency above 0, quality 0 to 100, a list of providers'
-- actual: format('factor %s, latency %s ms, quality %s, providers %s', cost_multiplier,
--   max_latency_ms, min_quality_score, preferred_providers)
-- canary: {"cost_multiplier": 0, "max_latency_ms": 1, "min_quality_score": 1}

-- Whether eco is cheaper than precision is a decision, not an invariant of a row.
(cost_multiplier > 0 AND cost_multiplier < 'Infinity'
 AND max_latency_ms > 0
 AND min_quality_score >= 0 AND min_quality_score <= 100
 AND cardinality(preferred_providers) > 0
 AND array_ndims(preferred_providers) = 1
 AND array_position(preferred_providers, NULL) IS NULL
 AND '' <> ALL (preferred_providers)) IS NOT TRUE
