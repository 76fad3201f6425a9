-- why: a gateway cannot sell or route anything before there are packages and power levels; these
--   are the ones of the quick reference.
-- locks: row exclusive on credit_packages and power_level_configs, until commit; readers do not
--   wait.
-- transaction: one
-- undo: delete the packages with ids 1 to 4 and the power levels with ids 1 to 3, as long as
--   nobody has changed them.

-- The ids are given, and any conflict leaves the existing row alone: seeding again changes
-- nothing, even when a person has changed a price or a name on purpose, and it draws no ids.
INSERT INTO public.credit_packages (id, name, credits, price_usd, discount, badge_text, sort_order)
VALUES
    (1, 'Starter Pack',     100,  10.00,  0, NULL,           1),
    (2, 'Value Pack',       500,  45.00, 10, 'MOST POPULAR', 2),
    (3, 'Pro Pack',        1000,  80.00, 20, 'BEST VALUE',   3),
    (4, 'Enterprise Pack', 5000, 350.00, 30, NULL,           4)
ON CONFLICT DO NOTHING;

-- The descriptions repeat no numbers, which would go wrong with the first change of a parameter.
INSERT INTO public.power_level_configs
    (id, power_level, name, description, preferred_providers,
     cost_multiplier, max_latency_ms, min_quality_score)
VALUES
    (1, 'eco', 'ECO Mode', 'Lowest cost; answers may take longer',
     ARRAY['openrouter', 'together', 'deepinfra'], 0.7, 5000, 70),
    (2, 'balanced', 'BALANCED Mode', 'Cost, speed and quality in balance',
     ARRAY['openai', 'anthropic', 'openrouter'], 1.0, 3000, 85),
    (3, 'precision', 'PRECISION Mode', 'Highest quality and fastest answers',
     ARRAY['anthropic', 'openai'], 1.5, 2000, 95)
ON CONFLICT DO NOTHING;

-- Given ids leave the sequences behind, and the next package that is inserted would meet id 1.
-- The greatest() keeps a sequence that is already further where it is.
SELECT setval('public.credit_packages_id_seq',
              greatest((SELECT s.last_value FROM public.credit_packages_id_seq AS s),
                       (SELECT max(p.id) FROM public.credit_packages AS p)));

SELECT setval('public.power_level_configs_id_seq',
              greatest((SELECT s.last_value FROM public.power_level_configs_id_seq AS s),
                       (SELECT max(c.id) FROM public.power_level_configs AS c)));
