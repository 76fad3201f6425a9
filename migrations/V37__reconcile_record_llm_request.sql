-- why: record_llm_request and debit_user_credits contradicted each other about one request, and a
--   request whose log row could not be written was charged all the same.
-- locks: none on tables; calls that are under way end with the old body.
-- transaction: one
-- undo: replace the function by that of V23, with the attributes that V33 gives it.

-- What is different from V23:
--
-- A conflict that is to be taken for "logged already" is one of user and request. A sequence that
-- lags behind, as after a cut-over by logical replication, is one of the primary key: that is an
-- error now, and nothing is charged.
--
-- Both the entry and the log row are looked up when there is one of them. A request that was paid
-- is another one than a free one of the same id. One that was refused, and paid by
-- debit_user_credits later, is answered with the entry, and its row says so from then on.
--
-- What we note in metadata about a refused request is no business of the caller's metadata: the key
-- is taken out of that, and what is no object has a key of its own beside ours.
--
-- The id has the bound of V36, before anything else, because a free request has an amount that
-- assert_credit_arguments refuses.
CREATE OR REPLACE FUNCTION public.record_llm_request(
    p_user_id           uuid,
    p_request_id        text,
    p_model             text,
    p_provider          text,
    p_power_level       text,
    p_prompt_tokens     bigint,
    p_completion_tokens bigint,
    p_amount            numeric,
    p_latency_ms        integer,
    p_total_tokens      bigint  DEFAULT NULL,
    p_success           boolean DEFAULT true,
    p_error_message     text    DEFAULT NULL,
    p_byok_used         boolean DEFAULT false,
    p_metadata          jsonb   DEFAULT '{}',
    p_description       text    DEFAULT NULL
) RETURNS TABLE (success boolean, new_balance numeric, transaction_id bigint, usage_log_id bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_now      timestamptz;
    v_balance  numeric;
    v_tier     text;
    v_seq      bigint;
    v_paid     numeric;
    v_logged   numeric;
    v_refused  jsonb;
    v_error    text;
    v_metadata jsonb;
BEGIN
    -- A request may be free, which no entry can be; the rest of the rules is that of a debit.
    IF (p_user_id IS NOT NULL
        AND (p_amount = 0
             OR (p_amount > 0 AND p_amount < 1000000000000 AND scale(p_amount) <= 8))
        AND coalesce(octet_length(p_request_id), 0) <= 2000) IS NOT TRUE
    THEN
        IF octet_length(p_request_id) > 2000 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'UC016',
                MESSAGE = format('p_request_id must not be longer than 2000 bytes: %s',
                                 octet_length(p_request_id)),
                DETAIL = format('record_llm_request was called for user %s with amount %s. Nothing '
                                'was changed.', coalesce(p_user_id::text, 'NULL'),
                                coalesce(p_amount::text, 'NULL')),
                HINT = 'Pass the id that the provider or the gateway gave the request, not what it '
                       'stands for.';
        END IF;
        PERFORM public.assert_credit_arguments(p_user_id, p_amount, 'usage', 'debit');
    END IF;

    IF p_amount > 0 AND (p_success AND NOT p_byok_used) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'UC014',
            MESSAGE = format('p_amount must be 0 for a request that failed or used the user''s own '
                             'key: %s', p_amount),
            DETAIL = format('record_llm_request was called for user %s and request %s with success '
                            '%s and own key %s. Nothing was changed.', p_user_id,
                            quote_nullable(p_request_id), p_success, p_byok_used),
            HINT = 'Pass 0, or p_success true and p_byok_used false when it is to be paid.';
    END IF;

    -- The lock orders repeated calls: the second sees the row of the first.
    SELECT uc.balance, uc.tier, uc.last_entry_seq INTO v_balance, v_tier, v_seq
      FROM public.user_credits AS uc
     WHERE uc.user_id = p_user_id
       FOR NO KEY UPDATE;

    -- What nearly every call is: a request to be paid, covered by the balance, neither logged nor
    -- booked before. It is what debit_user_credits does, written out: to call that costs a seventh
    -- more, because it locks and looks up a second time. Whatever is different goes on below.
    IF p_amount > 0 AND (v_balance >= p_amount OR v_tier = 'enterprise')
       AND abs(v_balance - p_amount) < 1000000000000 THEN
        v_now := clock_timestamp();

        INSERT INTO public.llm_usage_log AS ul
            (user_id, request_id, model, provider, power_level, prompt_tokens, completion_tokens,
             total_tokens, credits_used, latency_ms, success, error_message, byok_used, metadata,
             created_at)
        SELECT p_user_id, p_request_id, p_model, p_provider, p_power_level, p_prompt_tokens,
               p_completion_tokens, coalesce(p_total_tokens, p_prompt_tokens + p_completion_tokens),
               p_amount, p_latency_ms, p_success, p_error_message, p_byok_used,
               CASE jsonb_typeof(p_metadata) WHEN 'object' THEN p_metadata - 'creditdb_refused'
                                             ELSE coalesce(p_metadata, '{}') END, v_now
         WHERE NOT EXISTS (
             SELECT FROM public.llm_usage_log AS logged
              WHERE logged.user_id = p_user_id
                AND logged.request_id = p_request_id
                AND btrim(logged.request_id) NOT IN ('', 'None', 'null', 'undefined'))
           AND NOT EXISTS (
             SELECT FROM public.credit_transactions AS booked
              WHERE booked.user_id = p_user_id
                AND booked.transaction_type = 'usage'
                AND booked.reference_id = p_request_id
                AND btrim(booked.reference_id) NOT IN ('', 'None', 'null', 'undefined'))
        ON CONFLICT (user_id, request_id)
           WHERE btrim(request_id) NOT IN ('', 'None', 'null', 'undefined') DO NOTHING
        RETURNING ul.id INTO usage_log_id;

        IF FOUND THEN
            -- Once per user: the first entry ever, or the first since the numbers came.
            IF v_seq = 0 THEN
                v_seq := public.find_last_entry_seq(p_user_id);
            END IF;
            v_seq := v_seq + 1;

            INSERT INTO public.credit_transactions AS ct
                (user_id, entry_seq, transaction_type, amount, balance_after, reference_id,
                 description, created_at)
            VALUES
                (p_user_id, v_seq, 'usage', -p_amount, v_balance - p_amount, p_request_id,
                 coalesce(p_description, p_model), v_now)
            RETURNING ct.id, ct.balance_after INTO transaction_id, new_balance;

            UPDATE public.user_credits AS uc
               SET balance = v_balance - p_amount,
                   credits_used_this_month = uc.credits_used_this_month + p_amount,
                   last_entry_seq = v_seq,
                   updated_at = v_now
             WHERE uc.user_id = p_user_id;

            success := true;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;

    v_error := p_error_message;
    v_metadata := CASE jsonb_typeof(p_metadata) WHEN 'object' THEN p_metadata - 'creditdb_refused'
                                                ELSE coalesce(p_metadata, '{}') END;

    -- What was paid, and what was logged: a gateway that does the two one after the other may have
    -- done one, or both, or each of them differently.
    IF btrim(p_request_id) NOT IN ('', 'None', 'null', 'undefined') THEN
        SELECT ct.id, ct.balance_after, -ct.amount, ct.created_at, ul.id, ul.credits_used,
               -- Where p_metadata was no object, 1.2.0 and 1.3.0 made an array and put ours last.
               CASE WHEN NOT ul.success
                    THEN coalesce(ul.metadata -> 'creditdb_refused',
                                  ul.metadata -> -1 -> 'creditdb_refused') END
          INTO transaction_id, new_balance, v_paid, v_now, usage_log_id, v_logged, v_refused
          FROM (SELECT) AS this
          LEFT JOIN public.credit_transactions AS ct
                 ON ct.user_id = p_user_id
                AND ct.transaction_type = 'usage'
                AND ct.reference_id = p_request_id
                AND btrim(ct.reference_id) NOT IN ('', 'None', 'null', 'undefined')
          LEFT JOIN public.llm_usage_log AS ul
                 ON ul.user_id = p_user_id
                AND ul.request_id = p_request_id
                AND btrim(ul.request_id) NOT IN ('', 'None', 'null', 'undefined');

        -- Until now, and in rows that a gateway writes, the key may be a caller's.
        IF jsonb_typeof(v_refused -> 'credits') = 'number'
           AND jsonb_typeof(v_refused -> 'balance') IN ('number', 'null') THEN
            v_logged := (v_refused ->> 'credits')::numeric;
        ELSE
            v_refused := NULL;
        END IF;

        -- What a refused request would have cost is over when it was paid after all.
        IF v_logged <> p_amount AND (v_refused IS NULL OR v_paid IS NULL) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'UC013',
                MESSAGE = format('request %L of user %s was logged with another amount: %s, '
                                 'now %s', p_request_id, p_user_id, trim_scale(v_logged),
                                 trim_scale(p_amount)),
                DETAIL = format('It is row %s of llm_usage_log. Nothing was changed.',
                                usage_log_id),
                HINT = 'Give each request, and each attempt that is to be paid, an id of its own.';
        ELSIF v_paid <> p_amount THEN
            RAISE EXCEPTION USING
                ERRCODE = 'UC013',
                MESSAGE = format('request %L of user %s was booked with another amount: %s, '
                                 'now %s', p_request_id, p_user_id, trim_scale(v_paid),
                                 trim_scale(p_amount)),
                DETAIL = format('It is entry %s, a usage of %s. Nothing was changed.',
                                transaction_id, v_now),
                HINT = 'Give each request, and each attempt that is to be paid, an id of its own.';
        ELSIF v_paid IS NOT NULL AND v_refused IS NOT NULL THEN
            -- It was refused here, and paid by debit_user_credits when there were credits.
            UPDATE public.llm_usage_log AS ul
               SET success = true,
                   credits_used = p_amount,
                   error_message = v_error,
                   metadata = v_metadata
             WHERE ul.user_id = p_user_id
               AND ul.id = usage_log_id;
        ELSIF v_paid IS NULL AND (v_refused IS NOT NULL OR v_logged = 0) THEN
            success := v_refused IS NULL;
            new_balance := CASE WHEN v_refused IS NULL THEN v_balance
                                ELSE (v_refused ->> 'balance')::numeric END;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;

    IF v_paid IS NOT NULL THEN
        success := true;
    ELSIF p_amount > 0 THEN
        -- Logged already, if at all, by a gateway that does the two one after the other: this makes
        -- up for the other half.
        SELECT d.success, d.new_balance, d.transaction_id
          INTO success, new_balance, transaction_id
          FROM public.debit_user_credits(p_user_id, p_amount, 'usage', p_request_id,
                                         coalesce(p_description, p_model)) AS d;
        IF NOT success THEN
            v_error := CASE WHEN new_balance IS NULL THEN 'unknown user'
                            ELSE 'insufficient credits' END;
            v_metadata := CASE jsonb_typeof(v_metadata)
                               WHEN 'object' THEN v_metadata
                               WHEN 'null' THEN '{}'
                               ELSE jsonb_build_object('metadata', v_metadata) END
                || jsonb_build_object(
                       'creditdb_refused',
                       jsonb_build_object('credits', p_amount, 'balance', new_balance));
        END IF;
    ELSE
        success := true;
        new_balance := v_balance;
    END IF;

    IF usage_log_id IS NULL THEN
        v_now := clock_timestamp();
        -- A conflict is a row that was logged during this call by somebody who does not take the
        -- lock, or for a user who has no row to lock.
        INSERT INTO public.llm_usage_log AS ul
            (user_id, request_id, model, provider, power_level, prompt_tokens, completion_tokens,
             total_tokens, credits_used, latency_ms, success, error_message, byok_used, metadata,
             created_at)
        VALUES
            (p_user_id, p_request_id, p_model, p_provider, p_power_level, p_prompt_tokens,
             p_completion_tokens, coalesce(p_total_tokens, p_prompt_tokens + p_completion_tokens),
             CASE WHEN record_llm_request.success THEN p_amount ELSE 0 END, p_latency_ms,
             p_success AND record_llm_request.success, v_error, p_byok_used, v_metadata, v_now)
        ON CONFLICT (user_id, request_id)
           WHERE btrim(request_id) NOT IN ('', 'None', 'null', 'undefined') DO NOTHING
        RETURNING ul.id INTO usage_log_id;

        IF usage_log_id IS NULL THEN
            SELECT ul.id INTO usage_log_id
              FROM public.llm_usage_log AS ul
             WHERE ul.user_id = p_user_id
               AND ul.request_id = p_request_id
               AND btrim(ul.request_id) NOT IN ('', 'None', 'null', 'undefined');
        END IF;
    END IF;

    RETURN NEXT;
END;
$function$;

COMMENT ON FUNCTION public.record_llm_request(uuid, text, text, text, text, bigint, bigint, numeric,
    integer, bigint, boolean, text, boolean, jsonb, text) IS
    'Logs a request and debits p_amount credits (0 or more) for it, both or neither. Returns '
    '(true, new balance, id of the entry or NULL when it is free, id of the log row); refused for '
    'lack of credits or for an unknown user it logs a failed request that costs nothing and '
    'returns (false, balance, NULL, id of the log row). For a request id of the user that is '
    'logged already, what the first call returned; new_balance of a free one is the balance now. '
    'Raises UC001 to UC008, UC011, UC013, UC014 and UC016.';
