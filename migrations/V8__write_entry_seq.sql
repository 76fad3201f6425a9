-- why: the functions number their entries themselves, under the row lock that they hold anyway;
--   the trigger of V7 would read and write the balance row a second time for each of them.
-- locks: none on tables. Calls that are under way end with the old body, whose entries the trigger
--   numbers.
-- transaction: one
-- undo: replace the two functions by those of V3, as long as the trigger of V7 is there.

-- Names, arguments and results are those of 1.0.0: gateways keep calling and notice nothing. The
-- reasons for lock and clock are in V3.
--
-- Valid arguments are recognised by one expression. PL/pgSQL prepares each of its expressions anew
-- in every transaction, and the dozen in assert_credit_arguments, which has a sentence for each
-- mistake, took a quarter of a debit's time. Whatever that expression does not vouch for, that
-- function judges.
--
-- The entry comes before the balance, because from 1.2.0 on the insert is what finds out whether
-- there is anything to write. What is refused draws no id, as before.
CREATE OR REPLACE FUNCTION public.add_user_credits(
    p_user_id          uuid,
    p_amount           numeric,
    p_transaction_type text,
    p_reference_id     text,
    p_description      text
) RETURNS TABLE (success boolean, new_balance numeric, transaction_id bigint)
LANGUAGE plpgsql VOLATILE SECURITY INVOKER ROWS 1
AS $function$
DECLARE
    v_now     timestamptz;
    v_balance numeric;
    v_seq     bigint;
BEGIN
    IF (p_user_id IS NOT NULL
        AND p_amount > 0 AND p_amount < 1000000000000 AND scale(p_amount) <= 8
        AND p_transaction_type IN ('purchase', 'refund', 'admin_adjustment', 'bonus')) IS NOT TRUE
    THEN
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

    v_now := clock_timestamp();
    v_balance := v_balance + p_amount;

    -- abs(NaN) is greater than the bound: a poisoned balance is reported here, not passed on.
    IF abs(v_balance) >= 1000000000000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'UC011',
            MESSAGE = format('the new balance of user %s would be out of range: %s',
                             p_user_id, v_balance),
            DETAIL = format('A balance is a number between -1000000000000 and 1000000000000; '
                            'p_amount was %s. Nothing was changed.', p_amount),
            HINT = 'Check the unit of the amount, and verify the user''s balance and entries.';
    END IF;

    -- Once per user: the first entry ever, or the first since the numbers came.
    IF v_seq = 0 THEN
        v_seq := public.find_last_entry_seq(p_user_id);
    END IF;
    v_seq := v_seq + 1;

    INSERT INTO public.credit_transactions AS ct
        (user_id, entry_seq, transaction_type, amount, balance_after, reference_id, description,
         created_at)
    VALUES
        (p_user_id, v_seq, p_transaction_type, p_amount, v_balance, p_reference_id, p_description,
         v_now)
    RETURNING ct.id, ct.balance_after INTO transaction_id, new_balance;

    UPDATE public.user_credits AS uc
       SET balance = v_balance,
           last_entry_seq = v_seq,
           updated_at = v_now
     WHERE uc.user_id = p_user_id;

    success := true;
    RETURN NEXT;
END;
$function$;


CREATE OR REPLACE FUNCTION public.debit_user_credits(
    p_user_id          uuid,
    p_amount           numeric,
    p_transaction_type text,
    p_reference_id     text,
    p_description      text
) RETURNS TABLE (success boolean, new_balance numeric, transaction_id bigint)
LANGUAGE plpgsql VOLATILE SECURITY INVOKER ROWS 1
AS $function$
DECLARE
    v_now     timestamptz;
    v_balance numeric;
    v_seq     bigint;
    v_tier    text;
BEGIN
    IF (p_user_id IS NOT NULL
        AND p_amount > 0 AND p_amount < 1000000000000 AND scale(p_amount) <= 8
        AND p_transaction_type IN ('usage', 'refund', 'admin_adjustment')) IS NOT TRUE THEN
        PERFORM public.assert_credit_arguments(p_user_id, p_amount, p_transaction_type, 'debit');
    END IF;

    SELECT uc.balance, uc.tier, uc.last_entry_seq INTO v_balance, v_tier, v_seq
      FROM public.user_credits AS uc
     WHERE uc.user_id = p_user_id
       FOR NO KEY UPDATE;

    -- An unknown user has the balance NULL, which the caller can tell from any real one.
    IF NOT FOUND
       OR (p_transaction_type = 'usage' AND v_balance < p_amount AND v_tier <> 'enterprise') THEN
        success := false;
        new_balance := v_balance;
        transaction_id := NULL;
        RETURN NEXT;
        RETURN;
    END IF;

    v_now := clock_timestamp();
    v_balance := v_balance - p_amount;

    -- abs(NaN) is greater than the bound: a poisoned balance is reported here, not passed on.
    IF abs(v_balance) >= 1000000000000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'UC011',
            MESSAGE = format('the new balance of user %s would be out of range: %s',
                             p_user_id, v_balance),
            DETAIL = format('A balance is a number between -1000000000000 and 1000000000000; '
                            'p_amount was %s. Nothing was changed.', p_amount),
            HINT = 'Check the unit of the amount, and verify the user''s balance and entries.';
    END IF;

    -- Once per user: the first entry ever, or the first since the numbers came.
    IF v_seq = 0 THEN
        v_seq := public.find_last_entry_seq(p_user_id);
    END IF;
    v_seq := v_seq + 1;

    INSERT INTO public.credit_transactions AS ct
        (user_id, entry_seq, transaction_type, amount, balance_after, reference_id, description,
         created_at)
    VALUES
        (p_user_id, v_seq, p_transaction_type, -p_amount, v_balance, p_reference_id, p_description,
         v_now)
    RETURNING ct.id, ct.balance_after INTO transaction_id, new_balance;

    UPDATE public.user_credits AS uc
       SET balance = v_balance,
           -- Money that goes back is no use of the allowance.
           credits_used_this_month = uc.credits_used_this_month
               + CASE WHEN p_transaction_type = 'usage' THEN p_amount ELSE 0 END,
           last_entry_seq = v_seq,
           updated_at = v_now
     WHERE uc.user_id = p_user_id;

    success := true;
    RETURN NEXT;
END;
$function$;
