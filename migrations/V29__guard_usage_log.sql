-- why: a negative or unknown cost, or a negative count of tokens, makes every sum of the log wrong.
-- locks: access exclusive on llm_usage_log, for a moment: old rows are read by V30.
-- transaction: one
-- undo: drop the three constraints.
-- precheck: credits-negative, tokens-negative, user-id-nil

-- Short, as in V26. No foreign key to user_credits: a request of an unknown user is logged, too.
ALTER TABLE public.llm_usage_log
    ADD CONSTRAINT llm_usage_log_credits_check
    CHECK (credits_used <@ numrange '[0,Infinity)') NOT VALID;

ALTER TABLE public.llm_usage_log
    ADD CONSTRAINT llm_usage_log_tokens_check
    CHECK (least(prompt_tokens, completion_tokens, total_tokens) >= 0) NOT VALID;

ALTER TABLE public.llm_usage_log
    ADD CONSTRAINT llm_usage_log_user_id_check
    CHECK (user_id <> '00000000-0000-0000-0000-000000000000') NOT VALID;
