-- why: an entry that somebody edits or deletes takes the proof of every balance after it along. A
--   mistake is corrected by another entry.
-- locks: share row exclusive on credit_transactions, for a moment; readers do not wait.
-- transaction: one
-- undo: drop the trigger, then the function.

-- Privileges do not bind the owner, a trigger does. Whoever must edit an entry all the same, as an
-- exception that is on record, has to switch it off for all to see, which the audit reports.
--
-- One more SQLSTATE, to those listed in V3, V20 and V23:
--   UC015 an entry was to be updated or deleted
CREATE FUNCTION public.keep_entries() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY INVOKER
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'UC015',
        MESSAGE = format('entries are never changed: %s on credit_transactions', lower(TG_OP)),
        DETAIL = 'The entries of a user are a chain that proves the balance. Nothing was changed.',
        HINT = 'Correct a mistake with another entry: add_user_credits or debit_user_credits with '
               'type admin_adjustment or refund.';
END;
$function$;

COMMENT ON FUNCTION public.keep_entries() IS
    'Trigger: refuses to update, delete or truncate entries.';

-- Once per statement: it costs an INSERT nothing, and a statement that hits no row is refused, too.
CREATE TRIGGER credit_transactions_keep_entries
    BEFORE UPDATE OR DELETE OR TRUNCATE ON public.credit_transactions
    FOR EACH STATEMENT
    EXECUTE FUNCTION public.keep_entries();
