-- why: the only safe way to change a balance: the row lock, the balance and the entry in one
--   call. Two writers that read, compute and write on their own lose one of the two changes.
-- locks: none on tables.
-- transaction: one
-- undo: drop the four functions; balances and entries stay as they are.

-- CREATE without OR REPLACE throughout: a function that somebody else put there under our name
-- must stop the migration, not vanish.
--
-- SQLSTATEs. Class UC (user credits) is ours: the standard leaves classes that begin with I to Z
-- to implementations, and PostgreSQL has none of that name.
--   UC001 p_user_id is null              UC007 p_amount has more than 8 decimals
--   UC002 p_amount is null               UC008 p_amount is too large
--   UC003 p_amount is NaN                UC009 p_transaction_type is unknown or null
--   UC004 p_amount is infinite           UC010 p_transaction_type does not fit the direction
--   UC005 p_amount is zero               UC011 the new balance would be out of range
--   UC006 p_amount is negative           UC012 the balance row was deleted meanwhile


-- One list of rules for both directions, so that the two cannot come to differ. It reads no
-- table, and runs before any lock is taken: a call that cannot succeed holds up nobody. NaN goes
-- first because it equals itself and is greater than every number here; the bounds are those of
-- numeric(20,8), which would otherwise round 0.000000001 to a free request.
CREATE FUNCTION public.assert_credit_arguments(
    p_user_id          uuid,
    p_amount           numeric,
    p_transaction_type text,
    p_direction        text
) RETURNS void
LANGUAGE plpgsql IMMUTABLE SECURITY INVOKER
AS $function$
DECLARE
    v_sqlstate text;
    v_message  text;
    v_hint     text := 'Pass a positive number of credits; the function applies the sign.';
BEGIN
    IF p_user_id IS NULL THEN
        v_sqlstate := 'UC001';
        v_message := 'p_user_id must not be null';
        v_hint := 'Pass the id that the identity provider issued for the user.';
    ELSIF p_amount IS NULL THEN
        v_sqlstate := 'UC002';
        v_message := 'p_amount must not be null';
    ELSIF p_amount = 'NaN' THEN
        v_sqlstate := 'UC003';
        v_message := 'p_amount must be a number: NaN';
    ELSIF p_amount IN ('Infinity', '-Infinity') THEN
        v_sqlstate := 'UC004';
        v_message := format('p_amount must be finite: %s', p_amount);
    ELSIF p_amount = 0 THEN
        v_sqlstate := 'UC005';
        v_message := format('p_amount must not be zero: %s', p_amount);
        v_hint := 'Skip the call when nothing is to be charged or credited.';
    ELSIF p_amount < 0 THEN
        v_sqlstate := 'UC006';
        v_message := format('p_amount must not be negative: %s', p_amount);
        v_hint := 'Pass a positive amount to add_user_credits or to debit_user_credits.';
    ELSIF p_amount <> round(p_amount, 8) THEN
        v_sqlstate := 'UC007';
        v_message := format('p_amount must not have more than 8 decimals: %s', p_amount);
        v_hint := 'Round the amount before the call, where the rule for rounding is known.';
    ELSIF p_amount >= 1000000000000 THEN
        v_sqlstate := 'UC008';
        v_message := format('p_amount must be less than 1000000000000: %s', p_amount);
        v_hint := 'Check the unit of the amount: it is credits, not tokens or cents.';
    ELSIF (p_transaction_type IN ('purchase', 'usage', 'refund', 'admin_adjustment', 'bonus'))
          IS NOT TRUE THEN
        v_sqlstate := 'UC009';
        v_message := format('p_transaction_type is unknown: %L', p_transaction_type);
        v_hint := 'Use purchase, usage, refund, admin_adjustment or bonus.';
    ELSIF p_direction = 'add' AND p_transaction_type = 'usage' THEN
        v_sqlstate := 'UC010';
        v_message := format('p_transaction_type cannot add credits: %L', p_transaction_type);
        v_hint := 'Use debit_user_credits to charge usage, or type refund to give it back.';
    ELSIF p_direction = 'debit' AND p_transaction_type IN ('purchase', 'bonus') THEN
        v_sqlstate := 'UC010';
        v_message := format('p_transaction_type cannot debit credits: %L', p_transaction_type);
        v_hint := 'Use add_user_credits, or type refund or admin_adjustment to take credits back.';
    ELSE
        RETURN;
    END IF;

    RAISE EXCEPTION USING
        ERRCODE = v_sqlstate,
        MESSAGE = v_message,
        DETAIL = format('%s_user_credits was called for user %s with amount %s and type %s. '
                        'Nothing was changed.',
                        p_direction, coalesce(p_user_id::text, 'NULL'),
                        coalesce(p_amount::text, 'NULL'), quote_nullable(p_transaction_type)),
        HINT = v_hint;
END;
$function$;

COMMENT ON FUNCTION public.assert_credit_arguments(uuid, numeric, text, text) IS
    'Raises UC001 to UC010 unless the arguments of add_user_credits (p_direction add) or '
    'debit_user_credits (p_direction debit) are valid.';


-- Both functions below lock FOR NO KEY UPDATE. It keeps out every other writer of the row, and it
-- is the lock that the UPDATE takes anyway. FOR UPDATE would also keep out FOR KEY SHARE, the
-- lock that a foreign key to user_credits takes for each new entry or key: writers of keys would
-- then wait for every debit, and two transactions that each insert a row first and debit second
-- would deadlock.
--
-- The clock is read after the lock is held, so that times follow the order of the chain; now() is
-- the start of the transaction, and two transactions may take the lock in the other order. It is
-- read into a variable because a volatile call in UPDATE SET is refused on a distributed engine.
--
-- The entry is inserted last: what is refused draws no id.

-- A paid purchase must not be lost because nobody provisioned the user, so a missing row is made,
-- with the column defaults as the one place that says what a new user has. The insert waits for
-- another session that makes the same row; the next statement then sees whichever row is there.
CREATE FUNCTION public.add_user_credits(
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
BEGIN
    PERFORM public.assert_credit_arguments(p_user_id, p_amount, p_transaction_type, 'add');

    -- A row made here is this session's alone until it commits, so its cycle may start before the
    -- lock: it only must not start after its first entry.
    v_now := clock_timestamp();
    INSERT INTO public.user_credits (user_id, billing_cycle_start, created_at, updated_at)
    VALUES (p_user_id, v_now, v_now, v_now)
    ON CONFLICT (user_id) DO NOTHING;

    SELECT uc.balance INTO v_balance
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

    UPDATE public.user_credits AS uc
       SET balance = v_balance,
           updated_at = v_now
     WHERE uc.user_id = p_user_id
    RETURNING uc.balance INTO new_balance;

    INSERT INTO public.credit_transactions AS ct
        (user_id, transaction_type, amount, balance_after, reference_id, description, created_at)
    VALUES
        (p_user_id, p_transaction_type, p_amount, v_balance, p_reference_id, p_description, v_now)
    RETURNING ct.id INTO transaction_id;

    success := true;
    RETURN NEXT;
END;
$function$;

COMMENT ON FUNCTION public.add_user_credits(uuid, numeric, text, text, text) IS
    'Adds p_amount credits (positive) to a user and appends the entry; makes the balance row '
    'if there is none. Types: purchase, bonus, refund (credits back for usage), '
    'admin_adjustment. Returns (true, new balance, id of the entry). Raises UC001 to UC012.';


-- A refusal is an answer, not an error: it happens all day, and a caller should not need an
-- exception handler (a subtransaction each) for it. Only usage is refused beyond the balance; a
-- charge-back or an adjustment records what has happened already, and must not be refused because
-- the credits are spent.
CREATE FUNCTION public.debit_user_credits(
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
    v_tier    text;
    v_used    numeric := 0;
BEGIN
    PERFORM public.assert_credit_arguments(p_user_id, p_amount, p_transaction_type, 'debit');

    SELECT uc.balance, uc.tier INTO v_balance, v_tier
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

    -- Money that goes back is no use of the allowance.
    IF p_transaction_type = 'usage' THEN
        v_used := p_amount;
    END IF;

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

    UPDATE public.user_credits AS uc
       SET balance = v_balance,
           credits_used_this_month = uc.credits_used_this_month + v_used,
           updated_at = v_now
     WHERE uc.user_id = p_user_id
    RETURNING uc.balance INTO new_balance;

    INSERT INTO public.credit_transactions AS ct
        (user_id, transaction_type, amount, balance_after, reference_id, description, created_at)
    VALUES
        (p_user_id, p_transaction_type, -p_amount, v_balance, p_reference_id, p_description, v_now)
    RETURNING ct.id INTO transaction_id;

    success := true;
    RETURN NEXT;
END;
$function$;

COMMENT ON FUNCTION public.debit_user_credits(uuid, numeric, text, text, text) IS
    'Takes p_amount credits (positive) from a user and appends the entry, whose amount is '
    'negative. Types: usage, refund (money back for a purchase), admin_adjustment. Returns '
    '(true, new balance, id of the entry), or (false, balance, NULL) without a change for '
    'usage beyond the balance, unless the tier is enterprise, and (false, NULL, NULL) for an '
    'unknown user. Raises UC001 to UC011.';


-- The formula of the quick reference's balance query, operation by operation, so that the two
-- always show the same number.
CREATE FUNCTION public.get_quota_usage_percentage(p_user_id uuid) RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY INVOKER
AS $function$
BEGIN
    RETURN (
        SELECT round(uc.credits_used_this_month / nullif(uc.monthly_allowance, 0) * 100, 2)
          FROM public.user_credits AS uc
         WHERE uc.user_id = p_user_id
    );
END;
$function$;

COMMENT ON FUNCTION public.get_quota_usage_percentage(uuid) IS
    'Percent of the monthly allowance that is used, with two decimals (45.67; can exceed '
    '100). NULL when the allowance is unlimited or zero, or the user is unknown.';
