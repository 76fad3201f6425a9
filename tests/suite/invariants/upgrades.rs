//! What stands in the way of an upgrade is settled as its remedy is printed, and the upgrade goes
//! on.

use super::remedies::{USER, found, remedy, statement};
use crate::support::program::creditdb;
use crate::support::server::Database;

/// Entries that change nothing, by a writer that does not use the functions: between others, one
/// after the other, and the last.
const ZEROS: &str = "
    SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_1', NULL);
    INSERT INTO public.credit_transactions
           (user_id, transaction_type, amount, balance_after, reference_id, description)
    VALUES ('$user', 'admin_adjustment', 0, 100, 'case_1', 'Rounding');
    SELECT public.debit_user_credits('$user', 5, 'usage', 'req_a', NULL);
    INSERT INTO public.credit_transactions
           (user_id, transaction_type, amount, balance_after, reference_id)
    VALUES ('$user', 'usage', 0, 95, 'req_b'), ('$user', 'refund', 0, 95, 'req_a');
    SELECT public.debit_user_credits('$user', 3, 'usage', 'req_c', NULL);
    INSERT INTO public.credit_transactions
           (user_id, transaction_type, amount, balance_after, reference_id)
    VALUES ('$user', 'bonus', 0, 92, 'promo');
    INSERT INTO public.llm_usage_log
           (user_id, request_id, model, provider, prompt_tokens, completion_tokens, total_tokens,
            credits_used, success)
    VALUES ('$user', 'req_a', 'm', 'p', 40, 10, 50, 5, true),
           ('$user', 'req_c', 'm', 'p', 20, 10, 30, 3, true);
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
    UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'";

/// Refused because of a check, or else at the newest version and clean.
fn upgrades(database: &Database, refused_by: Option<&str>) {
    let migrate = creditdb(["migrate"]).on(&database.url);
    let Some(id) = refused_by else {
        migrate.succeeds();
        assert_eq!(found(database), [""; 0]);
        return;
    };
    let run = migrate.exits(4);
    assert!(run.stderr.contains(&format!("{id}: ")), "{}", run.stderr);
}

#[test]
fn entries_of_zero_are_taken_out_and_the_upgrade_goes_on() {
    let said = remedy;
    let remedy = said("entry-amount-zero");
    for schema in ["1.0.0", "1.1.0", "1.2.0"] {
        let database = Database::at(schema);
        database.execute(&ZEROS.replace("$user", USER));
        upgrades(&database, Some("entry-amount-zero"));
        for id in ["sign-usage", "sign-bonus"] {
            assert!(found(&database).contains(&id.to_owned()), "{id}");
            let points = "\"creditdb explain entry-amount-zero\"";
            assert!(said(id).contains(points), "{id}");
        }
        let take_out = match schema {
            "1.0.0" => statement(&remedy, "DELETE FROM", "amount = 0"),
            _ => statement(&remedy, "BEGIN;", "COMMIT;"),
        };
        let take_out = take_out.replace("<user>", &format!("'{USER}'"));
        // Once more changes nothing.
        for _ in 0..2 {
            database.execute(&take_out);
            assert_eq!(found(&database), [""; 0], "{schema}");
        }
        // "Then book the amounts that were meant"
        let meant = "SELECT public.add_user_credits('$user', 2, 'admin_adjustment', 'case_1', 'x')";
        database.execute(&meant.replace("$user", USER));
        upgrades(&database, None);
    }
}

/// A user with credits and a request.
const CHARGED: &str = "
    SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_1', NULL);
    SELECT public.debit_user_credits('$user', 5, 'usage', 'req_a', NULL);
    INSERT INTO public.llm_usage_log
           (user_id, request_id, model, provider, prompt_tokens, completion_tokens, total_tokens,
            credits_used, success)
    VALUES ('$user', 'req_a', 'm', 'p', 40, 10, 50, 5, true);
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
    UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'";

#[test]
fn rows_of_the_nil_user_go_to_a_user_whom_nobody_is() {
    let remedy = remedy("user-id-nil");
    for schema in ["1.0.0", "1.1.0", "1.2.0"] {
        let database = Database::at(schema);
        let nil = "00000000-0000-0000-0000-000000000000";
        database.execute(&CHARGED.replace("$user", nil));
        database.execute(&format!(
            "INSERT INTO public.user_provider_keys (user_id, provider, key_name, encrypted_key)
             VALUES ('{nil}', 'p', 'k', 'x');
             SELECT public.add_user_credits('{USER}', 100, 'purchase', 'pay_2', NULL)"
        ));
        assert_eq!(found(&database), ["user-id-nil"]);
        upgrades(&database, Some("user-id-nil"));
        database.execute(statement(&remedy, "DO $$", "END $$;"));
        assert_eq!(found(&database), [""; 0], "{schema}");
        let book = statement(
            &remedy,
            "SELECT * FROM public.debit_user_credits",
            "<reason>)",
        )
        .replace("<user>", &format!("'{USER}'"))
        .replace("<credits>", "5")
        .replace("<request_id>", "'req_a'")
        .replace("<reason>", "'Sent without a user'");
        database.execute(&book);
        upgrades(&database, None);
    }
}
