-- The session, the functions and the temporary tables of a sample.

-- An object of the same name elsewhere must not get in between.
SET LOCAL search_path = pg_catalog, pg_temp;
-- The sorts below would otherwise spill from 4 MB on.
SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '128MB';
-- Compiling costs more than it saves on statements that run once.
SET LOCAL jit = off;

-- 64 bits that depend on the seed, on what they are for and on the number, and on nothing else:
-- random() differs between majors, and follows the order of the rows. These two hashes are the
-- same in all majors, because hash-partitioned tables rely on them.
CREATE FUNCTION pg_temp.bits(seed bigint, purpose text, number bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN hashint8extended(number, hashtextextended(purpose COLLATE "C", seed));

-- A number from 0 to sides - 1.
CREATE FUNCTION pg_temp.draw(seed bigint, purpose text, number bigint, sides bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN (pg_temp.bits(seed, purpose, number) & 9223372036854775807) % sides;

-- The same from bits that are there: three throws (0, 1, 2) of 20 bits each.
CREATE FUNCTION pg_temp.throw(bits bigint, nth int, sides bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN ((bits >> 20 * nth) & 1048575) % sides;

-- So many hexadecimal digits, at most 16.
CREATE FUNCTION pg_temp.hex(number bigint, digits int) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN right(lpad(to_hex(number), 16, '0'), digits);

-- What stands for a payment; unique, because the number of the user is in it.
CREATE FUNCTION pg_temp.payment_id(seed bigint, user_n bigint, purchase_n bigint) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'pi_' || pg_temp.hex(pg_temp.bits(seed, 'payment ' || purchase_n, user_n), 16)
             || pg_temp.hex(user_n, 8);

-- Until they are written, credits are whole numbers of 0.00000001, and times are microseconds
-- since 2000: all arithmetic below is exact that way, and several times as fast.
CREATE FUNCTION pg_temp.credits(units bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE
RETURN units * 0.00000001;

CREATE FUNCTION pg_temp.minutes(n bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN n * 60000000;

CREATE FUNCTION pg_temp.days(n bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN n * 86400000000;

CREATE FUNCTION pg_temp.moment(us bigint) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN timestamptz '2000-01-01 00:00:00+00' + us * interval '1 microsecond';

CREATE TEMPORARY TABLE sample_size (
    seed     bigint NOT NULL,
    users    bigint NOT NULL,
    requests bigint NOT NULL,
    ends_us  bigint NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE sample_packages (
    units bigint PRIMARY KEY,
    name  text   NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE sample_routes (
    power_level  text   NOT NULL,
    slot         bigint NOT NULL,
    model        text   NOT NULL,
    provider     text   NOT NULL,
    input_units  bigint NOT NULL,
    output_units bigint NOT NULL,
    tenths       bigint NOT NULL,
    token_ms     bigint NOT NULL,
    PRIMARY KEY (power_level, slot)
) ON COMMIT DROP;

CREATE TEMPORARY TABLE sample_users (
    user_n       bigint PRIMARY KEY,
    user_id      uuid   NOT NULL,
    days         bigint NOT NULL,
    created_us   bigint NOT NULL,
    cycle_us     bigint NOT NULL,
    power_level  text   NOT NULL,
    key_provider text,
    standing     bigint NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE sample_requests (
    position          bigint  NOT NULL,
    request_n         bigint  NOT NULL,
    request_id        text    NOT NULL,
    user_n            bigint  NOT NULL,
    at_us             bigint  NOT NULL,
    charged_us        bigint  NOT NULL,
    model             text    NOT NULL,
    provider          text    NOT NULL,
    power_level       text,
    prompt_tokens     bigint  NOT NULL,
    completion_tokens bigint  NOT NULL,
    units             bigint  NOT NULL,
    latency_ms        bigint,
    error_message     text,
    byok_used         boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE sample_plans (
    user_n        bigint  PRIMARY KEY,
    tier          text    NOT NULL,
    used_units    bigint  NOT NULL,
    package_units bigint  NOT NULL,
    postpaid      boolean NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE sample_entries (
    position         bigint NOT NULL,
    user_n           bigint NOT NULL,
    entry_seq        bigint NOT NULL,
    at_us            bigint NOT NULL,
    transaction_type text   NOT NULL,
    units            bigint NOT NULL,
    units_after      bigint NOT NULL,
    reference_id     text   NOT NULL,
    description      text   NOT NULL
) ON COMMIT DROP;
