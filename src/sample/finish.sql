-- The temporary tables went with the transaction, the functions last as long as the session.
DROP FUNCTION pg_temp.payment_id, pg_temp.hex, pg_temp.draw, pg_temp.bits, pg_temp.throw,
    pg_temp.credits, pg_temp.minutes, pg_temp.days, pg_temp.moment;
ANALYZE public.user_credits, public.credit_transactions, public.user_provider_keys,
    public.llm_usage_log;
