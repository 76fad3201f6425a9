-- why: from here on every new entry gets its number, whoever writes it: the functions of 1.0.0,
--   which keep running in sessions that are in the middle of a call, know nothing of numbers.
-- locks: access exclusive on credit_transactions, for a moment: a column that may be NULL rewrites
--   nothing.
-- transaction: one
-- undo: drop trigger, functions and column, as long as no function writes the column.

-- NULL are the entries that were there before, until the back-fill has numbered them. They have
-- the lowest numbers of their user, which they keep free by their count: see below.
ALTER TABLE public.credit_transactions
    ADD COLUMN entry_seq bigint;

COMMENT ON COLUMN public.credit_transactions.entry_seq IS
    'Position in the user''s chain: 1, 2, 3 and so on without a gap, in the order in which the '
    'user''s row lock was held.';


-- Read under the row lock of the user, when the balance row does not know the number. Entries
-- without one are older than those with one and are numbered from the end, so the highest number
-- is right as soon as there is any; until then their count is the number of the last of them. A
-- call of the gateway only counts: to number a few million entries would hold it up for a minute.
CREATE FUNCTION public.find_last_entry_seq(p_user_id uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY INVOKER
AS $function$
BEGIN
    RETURN (
        SELECT coalesce(max(ct.entry_seq), count(*))
          FROM public.credit_transactions AS ct
         WHERE ct.user_id = p_user_id
    );
END;
$function$;

COMMENT ON FUNCTION public.find_last_entry_seq(uuid) IS
    'The entry_seq of a user''s last entry, from the entries themselves. Call it while the '
    'user''s row is locked.';


-- For writers that do not give a number. The trigger takes the user's row lock, which the
-- functions hold already; a user without a balance row has none to take, and two such writers at
-- once meet at the unique key instead.
CREATE FUNCTION public.number_entry() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY INVOKER
AS $function$
DECLARE
    v_seq bigint;
BEGIN
    SELECT uc.last_entry_seq INTO v_seq
      FROM public.user_credits AS uc
     WHERE uc.user_id = NEW.user_id
       FOR NO KEY UPDATE;

    IF v_seq IS NULL OR v_seq = 0 THEN
        v_seq := public.find_last_entry_seq(NEW.user_id);
    END IF;

    NEW.entry_seq := v_seq + 1;

    UPDATE public.user_credits AS uc
       SET last_entry_seq = NEW.entry_seq
     WHERE uc.user_id = NEW.user_id;

    RETURN NEW;
END;
$function$;

COMMENT ON FUNCTION public.number_entry() IS
    'Trigger: gives an entry that comes without a number the next one of its user.';

-- A trigger, not a default, because the next number depends on the user. It stays after the
-- upgrade: it costs nothing where a number is given, and an INSERT by hand gets the right one.
CREATE TRIGGER credit_transactions_number_entry
    BEFORE INSERT ON public.credit_transactions
    FOR EACH ROW
    WHEN (NEW.entry_seq IS NULL)
    EXECUTE FUNCTION public.number_entry();
