-- why: a reference of more than some 2,700 bytes has no room in an index. A call with one was
--   booked until the index of V21 came, and from then on fails with an error about pages.
-- locks: none on tables; calls that are under way end with the old bodies.
-- transaction: one
-- undo: replace the two functions by those of V20, with the attributes that V33 gives them.

-- 2,000 bytes are more than any provider's id has, and fit into an index beside user and type. They
-- are bytes, not characters, because pages are.
--
-- All else is as in V20, but for the hint of UC013: a refund names its origin, so that there is no
-- other reference for its second part. Rights and path stand in the head of each function, because
-- REPLACE sets back what V33 has set.
--
-- One more SQLSTATE, to those listed in V3, V20, V23 and V32:
--   UC016 the reference, or the id of the request, is longer than 2000 bytes
CREATE OR REPLACE FUNCTION public.add_user_credits(
    p_user_id          uuid,
    p_amount           numeric,
    p_transaction_type text,
    p_reference_id     text,
    p_description      text
) RETURNS TABLE (success boolean, new_balance numeric, transaction_id bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_now     timestamptz;
    v_balance numeric;
    v_seq     bigint;
    v_first   numeric;
BEGIN
    IF (p_user_id IS NOT NULL
        AND p_amount > 0 AND p_amount < 1000000000000 AND scale(p_amount) <= 8
        AND p_transaction_type IN ('purchase', 'refund', 'admin_adjustment', 'bonus')
        AND coalesce(octet_length(p_reference_id), 0) <= 2000) IS NOT TRUE
    THEN
        IF octet_length(p_reference_id) > 2000 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'UC016',
                MESSAGE = format('p_reference_id must not be longer than 2000 bytes: %s',
                                 octet_length(p_reference_id)),
                DETAIL = format('add_user_credits was called for user %s with amount %s and type '
                                '%s. Nothing was changed.', coalesce(p_user_id::text, 'NULL'),
                                coalesce(p_amount::text, 'NULL'),
                                quote_nullable(p_transaction_type)),
                HINT = 'Pass the id that the payment provider or the gateway gave, not what it '
                       'stands for.';
        END IF;
        PERFORM public.assert_credit_arguments(p_user_id, p_amount, p_transaction_type, 'add');
    END IF;

    -- A row made here is this session's alone until it commits, so its cycle may start before the
    -- lock: it only must not start after its first entry.
    v_now := clock_timestamp();
    INSERT INTO public.user_credits (user_id, billing_cycle_start, created_at, updated_at)
    VALUES (p_user_id, v_now, v_now, v_now)
    ON CONFLICT (user_id) DO NOTHING;

    SELECT uc.balance, uc.last_entry_seq INTO v_balance, v_seq
      FROM public.user_credits AS uc
     WHERE uc.user_id = p_user_id
       FOR NO KEY UPDATE;

    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'UC012',
            MESSAGE = format('the balance row of user %s was deleted during the call', p_user_id),
            DETAIL = 'Another session deleted it after this call found it. Nothing was changed.',
            HINT = 'Call again: a missing row is made.';
    END IF;

    v_balance := v_balance + p_amount;

    -- abs(NaN) is greater than the bound: a poisoned balance is reported below, not passed on.
    IF abs(v_balance) < 1000000000000 THEN
        -- Once per user: the first entry ever, or the first since the numbers came.
        IF v_seq = 0 THEN
            v_seq := public.find_last_entry_seq(p_user_id);
        END IF;
        v_seq := v_seq + 1;
        v_now := clock_timestamp();

        -- Under the lock, so that of two calls with one reference the second finds the entry of
        -- the first.
        INSERT INTO public.credit_transactions AS ct
            (user_id, entry_seq, transaction_type, amount, balance_after, reference_id,
             description, created_at)
        SELECT p_user_id, v_seq, p_transaction_type, p_amount, v_balance, p_reference_id,
               p_description, v_now
         WHERE NOT EXISTS (
             SELECT FROM public.credit_transactions AS first
              WHERE first.user_id = p_user_id
                AND first.transaction_type = p_transaction_type
                AND first.reference_id = p_reference_id
                AND btrim(first.reference_id) NOT IN ('', 'None', 'null', 'undefined'))
        RETURNING ct.id, ct.balance_after INTO transaction_id, new_balance;

        IF FOUND THEN
            UPDATE public.user_credits AS uc
               SET balance = v_balance,
                   last_entry_seq = v_seq,
                   updated_at = v_now
             WHERE uc.user_id = p_user_id;

            success := true;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;

    SELECT ct.id, ct.balance_after, ct.amount, ct.created_at
      INTO transaction_id, new_balance, v_first, v_now
      FROM public.credit_transactions AS ct
     WHERE ct.user_id = p_user_id
       AND ct.transaction_type = p_transaction_type
       AND ct.reference_id = p_reference_id
       AND btrim(ct.reference_id) NOT IN ('', 'None', 'null', 'undefined');

    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'UC011',
            MESSAGE = format('the new balance of user %s would be out of range: %s',
                             p_user_id, v_balance),
            DETAIL = format('A balance is a number between -1000000000000 and 1000000000000; '
                            'p_amount was %s. Nothing was changed.', p_amount),
            HINT = 'Check the unit of the amount, and verify the user''s balance and entries.';
    ELSIF v_first <> p_amount THEN
        RAISE EXCEPTION USING
            ERRCODE = 'UC013',
            MESSAGE = format('reference %L of user %s was booked with another amount: %s, '
                             'now %s', p_reference_id, p_user_id, trim_scale(v_first),
                             trim_scale(p_amount)),
            DETAIL = format('It is entry %s, a %s of %s. Nothing was changed.',
                            transaction_id, p_transaction_type, v_now),
            HINT = 'Give each payment and request a reference of its own. A further part of a '
                   'refund is an admin_adjustment, with the reference of the first part.';
    END IF;

    success := true;
    RETURN NEXT;
END;
$function$;

COMMENT ON FUNCTION public.add_user_credits(uuid, numeric, text, text, text) IS
    'Adds p_amount credits (positive) to a user and appends the entry; makes the balance row '
    'if there is none. Types: purchase, bonus, refund (credits back for usage), '
    'admin_adjustment. Returns (true, new balance, id of the entry); for a reference that was '
    'booked already, what the first call returned. Raises UC001 to UC013 and UC016.';


CREATE OR REPLACE FUNCTION public.debit_user_credits(
    p_user_id          uuid,
    p_amount           numeric,
    p_transaction_type text,
    p_reference_id     text,
    p_description      text
) RETURNS TABLE (success boolean, new_balance numeric, transaction_id bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_now     timestamptz;
    v_balance numeric;
    v_after   numeric;
    v_seq     bigint;
    v_first   numeric;
    v_tier    text;
BEGIN
    IF (p_user_id IS NOT NULL
        AND p_amount > 0 AND p_amount < 1000000000000 AND scale(p_amount) <= 8
        AND p_transaction_type IN ('usage', 'refund', 'admin_adjustment')
        AND coalesce(octet_length(p_reference_id), 0) <= 2000) IS NOT TRUE
    THEN
        IF octet_length(p_reference_id) > 2000 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'UC016',
                MESSAGE = format('p_reference_id must not be longer than 2000 bytes: %s',
                                 octet_length(p_reference_id)),
                DETAIL = format('debit_user_credits was called for user %s with amount %s and type '
                                '%s. Nothing was changed.', coalesce(p_user_id::text, 'NULL'),
                                coalesce(p_amount::text, 'NULL'),
                                quote_nullable(p_transaction_type)),
                HINT = 'Pass the id that the payment provider or the gateway gave, not what it '
                       'stands for.';
        END IF;
        PERFORM public.assert_credit_arguments(p_user_id, p_amount, p_transaction_type, 'debit');
    END IF;

    SELECT uc.balance, uc.tier, uc.last_entry_seq INTO v_balance, v_tier, v_seq
      FROM public.user_credits AS uc
     WHERE uc.user_id = p_user_id
       FOR NO KEY UPDATE;

    -- An unknown user has the balance NULL, which the caller can tell from any real one.
    IF NOT FOUND THEN
        success := false;
        RETURN NEXT;
        RETURN;
    END IF;

    v_after := v_balance - p_amount;

    -- abs(NaN) is greater than the bound: a poisoned balance is reported below, not passed on.
    IF (v_after >= 0 OR p_transaction_type <> 'usage' OR v_tier = 'enterprise')
       AND abs(v_after) < 1000000000000 THEN
        -- Once per user: the first entry ever, or the first since the numbers came.
        IF v_seq = 0 THEN
            v_seq := public.find_last_entry_seq(p_user_id);
        END IF;
        v_seq := v_seq + 1;
        v_now := clock_timestamp();

        INSERT INTO public.credit_transactions AS ct
            (user_id, entry_seq, transaction_type, amount, balance_after, reference_id,
             description, created_at)
        SELECT p_user_id, v_seq, p_transaction_type, -p_amount, v_after, p_reference_id,
               p_description, v_now
         WHERE NOT EXISTS (
             SELECT FROM public.credit_transactions AS first
              WHERE first.user_id = p_user_id
                AND first.transaction_type = p_transaction_type
                AND first.reference_id = p_reference_id
                AND btrim(first.reference_id) NOT IN ('', 'None', 'null', 'undefined'))
        RETURNING ct.id, ct.balance_after INTO transaction_id, new_balance;

        IF FOUND THEN
            UPDATE public.user_credits AS uc
               SET balance = v_after,
                   -- Money that goes back is no use of the allowance.
                   credits_used_this_month = uc.credits_used_this_month
                       + CASE WHEN p_transaction_type = 'usage' THEN p_amount ELSE 0 END,
                   last_entry_seq = v_seq,
                   updated_at = v_now
             WHERE uc.user_id = p_user_id;

            success := true;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;

    -- Before the balance is judged: a repeated call succeeds although the first one took the last
    -- credits.
    SELECT ct.id, ct.balance_after, ct.amount, ct.created_at
      INTO transaction_id, new_balance, v_first, v_now
      FROM public.credit_transactions AS ct
     WHERE ct.user_id = p_user_id
       AND ct.transaction_type = p_transaction_type
       AND ct.reference_id = p_reference_id
       AND btrim(ct.reference_id) NOT IN ('', 'None', 'null', 'undefined');

    IF FOUND AND v_first <> -p_amount THEN
        RAISE EXCEPTION USING
            ERRCODE = 'UC013',
            MESSAGE = format('reference %L of user %s was booked with another amount: %s, '
                             'now %s', p_reference_id, p_user_id, trim_scale(v_first),
                             trim_scale(-p_amount)),
            DETAIL = format('It is entry %s, a %s of %s. Nothing was changed.',
                            transaction_id, p_transaction_type, v_now),
            HINT = 'Give each payment and request a reference of its own. A further part of a '
                   'refund is an admin_adjustment, with the reference of the first part.';
    ELSIF FOUND THEN
        success := true;
    ELSIF p_transaction_type = 'usage' AND v_balance < p_amount AND v_tier <> 'enterprise' THEN
        success := false;
        new_balance := v_balance;
    ELSE
        RAISE EXCEPTION USING
            ERRCODE = 'UC011',
            MESSAGE = format('the new balance of user %s would be out of range: %s',
                             p_user_id, v_after),
            DETAIL = format('A balance is a number between -1000000000000 and 1000000000000; '
                            'p_amount was %s. Nothing was changed.', p_amount),
            HINT = 'Check the unit of the amount, and verify the user''s balance and entries.';
    END IF;

    RETURN NEXT;
END;
$function$;

COMMENT ON FUNCTION public.debit_user_credits(uuid, numeric, text, text, text) IS
    'Takes p_amount credits (positive) from a user and appends the entry, whose amount is '
    'negative. Types: usage, refund (money back for a purchase), admin_adjustment. Returns '
    '(true, new balance, id of the entry), or (false, balance, NULL) without a change for '
    'usage beyond the balance, unless the tier is enterprise, and (false, NULL, NULL) for an '
    'unknown user; for a reference that was booked already, what the first call returned. '
    'Raises UC001 to UC011, UC013 and UC016.';
