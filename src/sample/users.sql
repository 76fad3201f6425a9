-- What is sold, the models that requests are routed to, and the users.

INSERT INTO pg_temp.sample_packages
VALUES ( 10000000000, 'Starter Pack'),
       ( 50000000000, 'Value Pack'),
       (100000000000, 'Pro Pack'),
       (500000000000, 'Enterprise Pack');

-- Prices are those of the quick reference, in dollars per million tokens. A package of 100
-- credits costs 10 dollars, so a credit is worth 0.10 dollars, and one dollar per million tokens
-- is 1000 units per token. Prices, packages and factors are given here and not read from the
-- tables, so that a seed makes the same rows wherever the catalogue has been changed.
WITH models (model, input_usd, output_usd, token_ms) AS (
    VALUES ('gpt-3.5-turbo',   0.50,  1.50,  8),
           ('gpt-4',          30.00, 60.00, 30),
           ('gpt-4-turbo',    10.00, 30.00, 18),
           ('claude-3-opus',  15.00, 75.00, 28),
           ('claude-3-sonnet', 3.00, 15.00, 14),
           ('claude-3-haiku',  0.25,  1.25,  7)
), levels (power_level, tenths) AS (
    VALUES ('eco', 7), ('balanced', 10), ('precision', 15)
), shares (power_level, model, provider, first_slot, last_slot) AS (
    VALUES ('eco',       'gpt-3.5-turbo',   'openrouter',  0, 44),
           ('eco',       'claude-3-haiku',  'openrouter', 45, 84),
           ('eco',       'claude-3-sonnet', 'openrouter', 85, 99),
           ('balanced',  'gpt-3.5-turbo',   'openai',      0, 27),
           ('balanced',  'gpt-4-turbo',     'openai',     28, 42),
           ('balanced',  'gpt-4',           'openai',     43, 47),
           ('balanced',  'claude-3-sonnet', 'anthropic',  48, 71),
           ('balanced',  'claude-3-haiku',  'anthropic',  72, 86),
           ('balanced',  'claude-3-opus',   'anthropic',  87, 91),
           ('balanced',  'gpt-3.5-turbo',   'openrouter', 92, 99),
           ('precision', 'claude-3-opus',   'anthropic',   0, 39),
           ('precision', 'claude-3-sonnet', 'anthropic',  40, 54),
           ('precision', 'gpt-4',           'openai',     55, 77),
           ('precision', 'gpt-4-turbo',     'openai',     78, 99)
)
INSERT INTO pg_temp.sample_routes
SELECT s.power_level, slot, s.model, s.provider, m.input_usd * 1000, m.output_usd * 1000,
       l.tenths, m.token_ms
  FROM shares AS s
  JOIN models AS m ON m.model = s.model
  JOIN levels AS l ON l.power_level = s.power_level
 CROSS JOIN generate_series(s.first_slot, s.last_slot) AS slot;

-- Low numbers belong to the users with most requests, who mostly have the low standing from which
-- a high tier follows. One user in seven brings a key along. Everybody signed up some hours before
-- the first of his days, which leaves room for what happens before the first request.
WITH aged AS (
    SELECT s.*, n,
           CASE WHEN pg_temp.draw(seed, 'user is new', n, 100) < 15
                THEN 2 + pg_temp.draw(seed, 'user days', n, 28)
                ELSE 30 + pg_temp.draw(seed, 'user days', n, 150) END AS days
      FROM pg_temp.sample_size AS s
     CROSS JOIN generate_series(1, s.users) AS n
), signed_up AS (
    SELECT *,
           ends_us - pg_temp.days(days) - pg_temp.minutes(120)
           - pg_temp.draw(seed, 'user sign-up', n, pg_temp.minutes(360)) AS created_us,
           pg_temp.hex(pg_temp.bits(seed, 'user high', n), 16)
           || pg_temp.hex(pg_temp.bits(seed, 'user low', n), 16) AS digits,
           substr('89ab', 1 + pg_temp.draw(seed, 'user variant', n, 4)::int, 1) AS variant
      FROM aged
)
INSERT INTO pg_temp.sample_users
SELECT n,
       -- The digits that make it a random UUID (version 4).
       overlay(overlay(digits PLACING '4' FROM 13) PLACING variant FROM 17)::uuid,
       days,
       created_us,
       -- Cycles of 30 days from the sign-up on: the start of the one that the period ends in.
       ends_us - (ends_us - created_us) % pg_temp.days(30),
       (ARRAY['eco', 'balanced', 'balanced', 'balanced', 'precision'])
           [1 + pg_temp.draw(seed, 'user level', n, 5)],
       CASE WHEN pg_temp.draw(seed, 'user has key', n, 100) < 15
            THEN (ARRAY['openai', 'anthropic', 'openrouter', 'together', 'deepinfra'])
                     [1 + pg_temp.draw(seed, 'user key', n, 5)] END,
       n * 70 / users + pg_temp.draw(seed, 'user standing', n, 30)
  FROM signed_up;

ANALYZE pg_temp.sample_routes;
ANALYZE pg_temp.sample_users;
