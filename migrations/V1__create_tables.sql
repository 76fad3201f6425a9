-- why: the seven tables of schema 1.0.0: balances, their audit log, the catalogue of packages and
--   power levels, the users' own keys, the usage log, and the record of schema versions.
-- locks: access exclusive on the new tables only, until commit; nobody can see them before that.
-- transaction: one
-- undo: drop the seven tables; their sequences, which they own, go with them. Every balance and
--   every entry is lost, so this is for an installation that holds no data yet.

-- Three choices hold for every table below.
--
-- Domains are text with a named CHECK, not enums: a value can be added, and used, in one
-- transaction, and the name of the CHECK is the word that reports use.
--
-- Keys of per-user tables contain user_id although id alone would do, because a table that is
-- distributed by user_id can only enforce keys that contain it. id comes first, so that the same
-- index finds the entry whose id a function returned, and the highest id.
--
-- Ids come from sequences with a name and an owner, as bigint: four bytes run out, and identity
-- columns cannot be changed on a distributed engine.


-- The balance is stored beside the entries, not summed from them, because every request asks for
-- it. A user of whom only the id is known gets the smallest plan, so the defaults are those of a
-- trial: a forgotten monthly_allowance must not mean "unlimited".
--
-- Each request rewrites one row here. No index covers a column that changes, so the new version
-- can stay on its page and leave the index alone, as long as the page has room. That is what the
-- fillfactor buys: of 20000 updates spread over 5000 rows all stayed, 97 % with full pages.
CREATE TABLE public.user_credits (
    user_id                 uuid          NOT NULL,
    balance                 numeric(20,8) NOT NULL DEFAULT 0,
    tier                    text          NOT NULL DEFAULT 'trial',
    power_level             text          NOT NULL DEFAULT 'balanced',
    monthly_allowance       numeric(20,8)          DEFAULT 100,
    credits_used_this_month numeric(20,8) NOT NULL DEFAULT 0,
    billing_cycle_start     timestamptz   NOT NULL DEFAULT now(),
    created_at              timestamptz   NOT NULL DEFAULT now(),
    updated_at              timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT idx_user_credits_user_id PRIMARY KEY (user_id),
    CONSTRAINT user_credits_tier_check
        CHECK (tier IN ('trial', 'starter', 'professional', 'enterprise')),
    CONSTRAINT user_credits_power_level_check
        CHECK (power_level IN ('eco', 'balanced', 'precision'))
) WITH (fillfactor = 80);

COMMENT ON TABLE public.user_credits IS
    'One row per user: the balance and the plan. Written by add_user_credits and '
    'debit_user_credits.';
COMMENT ON COLUMN public.user_credits.user_id IS
    'The subject that the identity provider issues. Never updated.';
COMMENT ON COLUMN public.user_credits.balance IS
    'Credits; equals balance_after of the user''s last entry. Negative only for an enterprise user '
    'or after a refund or admin_adjustment was debited.';
COMMENT ON COLUMN public.user_credits.tier IS
    'Subscription. enterprise may use credits beyond the balance.';
COMMENT ON COLUMN public.user_credits.power_level IS
    'Routing strategy for requests that name none; parameters in power_level_configs.';
COMMENT ON COLUMN public.user_credits.monthly_allowance IS
    'Credits per billing cycle. NULL means unlimited.';
COMMENT ON COLUMN public.user_credits.credits_used_this_month IS
    'Credits, as a positive number, of the usage entries since billing_cycle_start. Refunds do not '
    'lower it.';
COMMENT ON COLUMN public.user_credits.billing_cycle_start IS
    'Usage from this moment on counts into credits_used_this_month.';
COMMENT ON COLUMN public.user_credits.updated_at IS
    'Set by the functions; whoever updates by hand sets it too, there is no trigger.';


-- The order in which a user's entries happened is the order in which the user's row lock was
-- held. The functions draw id under that lock and the sequence caches nothing, so id shows this
-- order; created_at does not promise it. A session that cached values would use low ids late.
CREATE SEQUENCE public.credit_transactions_id_seq AS bigint CACHE 1;

CREATE TABLE public.credit_transactions (
    id               bigint        NOT NULL DEFAULT nextval('public.credit_transactions_id_seq'),
    user_id          uuid          NOT NULL,
    transaction_type text          NOT NULL,
    amount           numeric(20,8) NOT NULL,
    balance_after    numeric(20,8) NOT NULL,
    reference_id     text,
    description      text,
    metadata         jsonb         NOT NULL DEFAULT '{}',
    created_at       timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT credit_transactions_pkey PRIMARY KEY (id, user_id),
    CONSTRAINT credit_transactions_transaction_type_check
        CHECK (transaction_type IN ('purchase', 'usage', 'refund', 'admin_adjustment', 'bonus'))
);

-- The sequence disappears with its table, and a dump restores the two together.
ALTER SEQUENCE public.credit_transactions_id_seq OWNED BY public.credit_transactions.id;

COMMENT ON TABLE public.credit_transactions IS
    'The audit log: one entry per change of a balance. Entries are never updated or deleted; a '
    'mistake is corrected by another entry.';
COMMENT ON COLUMN public.credit_transactions.id IS
    'The transaction_id that the functions return. Within a user, a higher id is a later entry.';
COMMENT ON COLUMN public.credit_transactions.transaction_type IS
    'purchase and bonus add, usage subtracts, refund and admin_adjustment do either: a refund is '
    'negative when money went back for a purchase, positive when credits went back for usage.';
COMMENT ON COLUMN public.credit_transactions.amount IS
    'Credits, signed: positive is what the user gained, negative is what the user spent.';
COMMENT ON COLUMN public.credit_transactions.balance_after IS
    'Credits: balance_after of the user''s previous entry (0 before the first) plus amount.';
COMMENT ON COLUMN public.credit_transactions.reference_id IS
    'What caused the entry: the payment of a purchase, the request_id of a usage, the origin of a '
    'refund.';
COMMENT ON COLUMN public.credit_transactions.created_at IS
    'The clock while the user''s row was locked. Evidence, not an order: clocks can be set back.';


-- Credits are numeric here too, so that a package compares with the amount of the entry that its
-- purchase made. The CHECKs name NaN because NaN counts as greater than every number: "> 0" alone
-- lets it pass.
CREATE SEQUENCE public.credit_packages_id_seq AS bigint CACHE 1;

CREATE TABLE public.credit_packages (
    id         bigint        NOT NULL DEFAULT nextval('public.credit_packages_id_seq'),
    name       text          NOT NULL,
    credits    numeric(20,8) NOT NULL,
    price_usd  numeric(10,2) NOT NULL,
    discount   numeric(5,2)  NOT NULL DEFAULT 0,
    badge_text text,
    sort_order integer       NOT NULL DEFAULT 0,
    is_active  boolean       NOT NULL DEFAULT true,
    created_at timestamptz   NOT NULL DEFAULT now(),
    updated_at timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT credit_packages_pkey PRIMARY KEY (id),
    CONSTRAINT credit_packages_name_key UNIQUE (name),
    CONSTRAINT credit_packages_positive_check
        CHECK (credits > 0 AND credits <> 'NaN' AND price_usd > 0 AND price_usd <> 'NaN'),
    CONSTRAINT credit_packages_discount_range_check
        CHECK (discount >= 0 AND discount < 100)
);

-- The sequence disappears with its table, and a dump restores the two together.
ALTER SEQUENCE public.credit_packages_id_seq OWNED BY public.credit_packages.id;

COMMENT ON TABLE public.credit_packages IS
    'What users can buy. A package that is no longer sold is made inactive, not deleted.';
COMMENT ON COLUMN public.credit_packages.credits IS
    'Credits that one purchase adds.';
COMMENT ON COLUMN public.credit_packages.price_usd IS
    'US dollars for the whole package, after the discount.';
COMMENT ON COLUMN public.credit_packages.discount IS
    'Percent (10 means 10 %, not 0.1) off the list price of 0.10 US dollars per credit. Already '
    'taken off price_usd.';
COMMENT ON COLUMN public.credit_packages.badge_text IS
    'Label for the shop page, without decoration; NULL for none.';
COMMENT ON COLUMN public.credit_packages.sort_order IS
    'Position on the shop page, lowest first.';


-- The providers are text[], not jsonb: an order and a type for nothing extra, and "= ANY" to ask.
-- The CHECK excludes what routing cannot survive: a factor of zero, NaN or infinity ("> 0" lets
-- the last two pass), and a list of providers that is empty or has gaps.
CREATE SEQUENCE public.power_level_configs_id_seq AS bigint CACHE 1;

CREATE TABLE public.power_level_configs (
    id                  bigint       NOT NULL DEFAULT nextval('public.power_level_configs_id_seq'),
    power_level         text         NOT NULL,
    name                text         NOT NULL,
    description         text,
    preferred_providers text[]       NOT NULL,
    cost_multiplier     numeric      NOT NULL,
    max_latency_ms      integer      NOT NULL,
    min_quality_score   numeric(5,2) NOT NULL,
    is_active           boolean      NOT NULL DEFAULT true,
    created_at          timestamptz  NOT NULL DEFAULT now(),
    updated_at          timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT power_level_configs_pkey PRIMARY KEY (id),
    CONSTRAINT power_level_configs_power_level_key UNIQUE (power_level),
    CONSTRAINT power_level_configs_power_level_check
        CHECK (power_level IN ('eco', 'balanced', 'precision')),
    CONSTRAINT power_level_configs_config_check
        CHECK (cost_multiplier > 0 AND cost_multiplier < 'Infinity'
           AND max_latency_ms > 0
           AND min_quality_score >= 0 AND min_quality_score <= 100
           AND cardinality(preferred_providers) > 0
           AND array_ndims(preferred_providers) = 1
           AND array_position(preferred_providers, NULL) IS NULL
           AND '' <> ALL (preferred_providers))
);

-- The sequence disappears with its table, and a dump restores the two together.
ALTER SEQUENCE public.power_level_configs_id_seq OWNED BY public.power_level_configs.id;

COMMENT ON TABLE public.power_level_configs IS
    'How requests of a power level are routed and priced: one row per power level.';
COMMENT ON COLUMN public.power_level_configs.preferred_providers IS
    'Providers in the order in which they are tried.';
COMMENT ON COLUMN public.power_level_configs.cost_multiplier IS
    'Factor on the credits of a request: 0.7 makes it 30 % cheaper.';
COMMENT ON COLUMN public.power_level_configs.max_latency_ms IS
    'Milliseconds.';
COMMENT ON COLUMN public.power_level_configs.min_quality_score IS
    'Percent, 0 to 100.';


-- Keys that users bring along (BYOK). They arrive here encrypted by the gateway, which alone can
-- read them: the database never sees a secret in clear, so neither do its logs and backups.
CREATE SEQUENCE public.user_provider_keys_id_seq AS bigint CACHE 1;

CREATE TABLE public.user_provider_keys (
    id                     bigint      NOT NULL DEFAULT nextval('public.user_provider_keys_id_seq'),
    user_id                uuid        NOT NULL,
    provider               text        NOT NULL,
    key_name               text        NOT NULL,
    encrypted_key          text        NOT NULL,
    is_default             boolean     NOT NULL DEFAULT false,
    is_active              boolean     NOT NULL DEFAULT true,
    last_used_at           timestamptz,
    usage_count_this_month bigint      NOT NULL DEFAULT 0,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_provider_keys_pkey PRIMARY KEY (id, user_id),
    CONSTRAINT user_provider_keys_user_id_provider_key_name_key
        UNIQUE (user_id, provider, key_name)
);

-- The sequence disappears with its table, and a dump restores the two together.
ALTER SEQUENCE public.user_provider_keys_id_seq OWNED BY public.user_provider_keys.id;

COMMENT ON TABLE public.user_provider_keys IS
    'Provider keys that users bring along; a request made with one costs no credits.';
COMMENT ON COLUMN public.user_provider_keys.key_name IS
    'The user''s own label, unique per user and provider.';
COMMENT ON COLUMN public.user_provider_keys.encrypted_key IS
    'Ciphertext made by the gateway. Never the key itself.';
COMMENT ON COLUMN public.user_provider_keys.is_default IS
    'The key to use when a request names none; meant to be one per user and provider.';
COMMENT ON COLUMN public.user_provider_keys.last_used_at IS
    'NULL until the first use.';
COMMENT ON COLUMN public.user_provider_keys.usage_count_this_month IS
    'Requests, not credits or tokens.';


-- request_id may be NULL: some upstreams send none, and a usage that was paid for must be logged
-- even so; a made-up id would hide the gap from the audit. latency_ms may be NULL because a
-- request that failed early has none, and 0 would pull every average down. success has no
-- default: a writer that forgets it must fail, not report a success. The token counts are stored
-- as the provider sent them, which is why total_tokens is not computed.
CREATE SEQUENCE public.llm_usage_log_id_seq AS bigint CACHE 1;

CREATE TABLE public.llm_usage_log (
    id                bigint        NOT NULL DEFAULT nextval('public.llm_usage_log_id_seq'),
    user_id           uuid          NOT NULL,
    request_id        text,
    model             text          NOT NULL,
    provider          text          NOT NULL,
    power_level       text,
    prompt_tokens     bigint        NOT NULL DEFAULT 0,
    completion_tokens bigint        NOT NULL DEFAULT 0,
    total_tokens      bigint        NOT NULL DEFAULT 0,
    credits_used      numeric(20,8) NOT NULL DEFAULT 0,
    latency_ms        integer,
    success           boolean       NOT NULL,
    error_message     text,
    byok_used         boolean       NOT NULL DEFAULT false,
    metadata          jsonb         NOT NULL DEFAULT '{}',
    created_at        timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT llm_usage_log_pkey PRIMARY KEY (id, user_id),
    CONSTRAINT llm_usage_log_power_level_check
        CHECK (power_level IN ('eco', 'balanced', 'precision'))
);

-- The sequence disappears with its table, and a dump restores the two together.
ALTER SEQUENCE public.llm_usage_log_id_seq OWNED BY public.llm_usage_log.id;

COMMENT ON TABLE public.llm_usage_log IS
    'One row per LLM request, failed ones included. Written by the gateway after the debit.';
COMMENT ON COLUMN public.llm_usage_log.request_id IS
    'The upstream''s id of the request, equal to reference_id of its usage entry. NULL when the '
    'upstream sent none; not unique, retries may repeat it.';
COMMENT ON COLUMN public.llm_usage_log.power_level IS
    'The level that priced the request; NULL when none applied.';
COMMENT ON COLUMN public.llm_usage_log.prompt_tokens IS
    'Tokens sent.';
COMMENT ON COLUMN public.llm_usage_log.completion_tokens IS
    'Tokens received.';
COMMENT ON COLUMN public.llm_usage_log.total_tokens IS
    'Tokens as the provider counted them; should be prompt plus completion.';
COMMENT ON COLUMN public.llm_usage_log.credits_used IS
    'Credits, as a positive number: the usage entry has the same amount with a minus. 0 for a '
    'failed request and for one made with the user''s own key.';
COMMENT ON COLUMN public.llm_usage_log.latency_ms IS
    'Milliseconds; NULL when the request failed before it could be timed.';
COMMENT ON COLUMN public.llm_usage_log.byok_used IS
    'True when the user''s own provider key was used.';


-- The version that people and programs read. It has no CHECK on the format: a row that somebody
-- wrote by hand should be seen and reported by the audit.
CREATE TABLE public.schema_version (
    version     text        NOT NULL,
    description text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schema_version_pkey PRIMARY KEY (version)
);

COMMENT ON TABLE public.schema_version IS
    'One row per schema version that this database has reached.';
COMMENT ON COLUMN public.schema_version.version IS
    'Semantic version, such as 1.0.0. Order by applied_at: as text, 1.10.0 comes before 1.9.0.';
