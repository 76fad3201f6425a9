-- why: the indexes that the quick reference names, each for the query that it is named after. The
--   eighth, idx_user_credits_user_id, is the primary key's index and exists since V1.
-- locks: share on credit_transactions and llm_usage_log (writers wait), until commit; the tables
--   are new and empty, so no concurrent build is needed.
-- transaction: one
-- undo: drop the seven indexes.

-- "The latest n of one user" reads n rows from the front, without a sort.
CREATE INDEX idx_credit_transactions_user_date
    ON public.credit_transactions (user_id, created_at DESC);

CREATE INDEX idx_llm_usage_log_user_date
    ON public.llm_usage_log (user_id, created_at DESC);

-- A type alone is a fifth of the table or more, too much for an index to help. Every report that
-- asks for a type asks for a period too.
CREATE INDEX idx_credit_transactions_type
    ON public.credit_transactions (transaction_type, created_at DESC);

-- Not unique: upstreams repeat ids, and the audit has to find that rather than have the log lose
-- the row. Rows without an id cannot be looked up by one, but stay in the index, because the
-- query for duplicates groups them as well.
CREATE INDEX idx_llm_usage_log_request_id
    ON public.llm_usage_log (request_id);

-- A handful of models and providers make most of the traffic, so here too the period is what
-- makes an index selective.
CREATE INDEX idx_llm_usage_log_model
    ON public.llm_usage_log (model, created_at DESC);

CREATE INDEX idx_llm_usage_log_provider
    ON public.llm_usage_log (provider, created_at DESC);

-- An index on a boolean would serve neither value: almost all rows are successes. This one holds
-- the failures alone, newest first: it stays small, and a successful request does not pay for it.
CREATE INDEX idx_llm_usage_log_success
    ON public.llm_usage_log (created_at DESC)
    WHERE NOT success;
