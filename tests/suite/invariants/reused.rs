//! References that were booked several times before the functions booked them once: with those of
//! their own that the remedy gives them, every entry is still found by its log row and its origin.

use super::remedies::{USER, found, remedy, statement};
use crate::support::program::creditdb;
use crate::support::server::Database;

/// A request that was charged twice, logged once and given back once; one that was given back in
/// two parts, and its log row with it; one that was charged too little, and corrected twice; one
/// that was charged in two parts; a payment that was given back in three; and a promotion that came
/// twice.
const REUSED: &str = "
    SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_1', NULL);
    SELECT public.debit_user_credits('$user', 10, 'refund', 'pay_1', NULL)
      FROM generate_series(1, 3);
    SELECT public.debit_user_credits('$user', 5, 'usage', 'dup1', NULL) FROM generate_series(1, 2);
    SELECT public.add_user_credits('$user', 5, 'refund', 'dup1', 'Charged twice');
    SELECT public.debit_user_credits('$user', 6, 'usage', 'part1', NULL);
    SELECT public.add_user_credits('$user', 2, 'refund', 'part1', NULL) FROM generate_series(1, 2);
    SELECT public.debit_user_credits('$user', 5, 'usage', 'short1', NULL);
    SELECT public.debit_user_credits('$user', 1, 'admin_adjustment', 'short1', 'Too little')
      FROM generate_series(1, 2);
    SELECT public.debit_user_credits('$user', n, 'usage', 'split1', NULL)
      FROM generate_series(2, 3) AS n;
    SELECT public.add_user_credits('$user', 1, 'bonus', 'promo', NULL) FROM generate_series(1, 2);
    INSERT INTO public.llm_usage_log
           (user_id, request_id, model, provider, prompt_tokens, completion_tokens, total_tokens,
            credits_used, success)
    VALUES ('$user', 'dup1', 'm', 'p', 40, 10, 50, 5, true),
           ('$user', 'part1', 'm', 'p', 50, 10, 60, 2, true),
           ('$user', 'short1', 'm', 'p', 60, 10, 70, 7, true),
           ('$user', 'split1', 'm', 'p', 40, 10, 50, 5, true);
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
    UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'";

/// The ids of a user's entries of a type and a reference, the first aside.
fn later(database: &Database, kind: &str, reference: &str) -> Vec<i64> {
    let sql = "SELECT id FROM public.credit_transactions
                WHERE transaction_type = $1 AND reference_id = $2 ORDER BY id OFFSET 1";
    let rows = database.connect().query(sql, &[&kind, &reference]);
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

fn balance(database: &Database) -> String {
    let sql = "SELECT balance::text FROM public.user_credits";
    database.connect().query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn a_reference_of_its_own_breaks_no_tie_to_log_and_origin() {
    let database = Database::at("1.1.0");
    database.execute(&REUSED.replace("$user", USER));
    assert_eq!(found(&database), ["reference-reused"]);
    let before = balance(&database);
    let remedy = remedy("reference-reused");
    let part = statement(&remedy, "UPDATE ", "id = <id>");
    let rest = &remedy[remedy.find(part).unwrap() + part.len()..];
    let rename = statement(rest, "UPDATE ", "<its refund>)");
    let take = statement(rest, "SELECT * FROM public.add_user_credits", "<reason>)");
    let charge = statement(rest, "SELECT * FROM public.debit_user_credits", "<reason>)");
    let with = |sql: &str, words: &[(&str, &str)]| {
        let sql = words.iter().fold(sql.to_owned(), |sql, (word, value)| {
            sql.replace(word, value)
        });
        let sql = sql.replace("<user>", &format!("'{USER}'"));
        database.execute(&sql.replace("<reason>", "'As it was'"));
    };
    for (kind, reference) in [
        ("refund", "pay_1"),
        ("refund", "part1"),
        ("admin_adjustment", "short1"),
    ] {
        for (n, id) in later(&database, kind, reference).iter().enumerate() {
            let n = (n + 2).to_string();
            with(part, &[("<id>", &id.to_string()), ("<n>", &n)]);
        }
    }
    let [second] = later(&database, "usage", "dup1")[..] else {
        panic!("two charges");
    };
    let back = "(SELECT id FROM public.credit_transactions
                  WHERE transaction_type = 'refund' AND reference_id = 'dup1')";
    with(
        rename,
        &[("<id>", &second.to_string()), ("<its refund>", back)],
    );
    let [promo] = later(&database, "bonus", "promo")[..] else {
        panic!("two of a promotion");
    };
    with(
        rename,
        &[("<id>", &promo.to_string()), ("<its refund>", "NULL")],
    );
    let [split] = later(&database, "usage", "split1")[..] else {
        panic!("two charges");
    };
    with(
        rename,
        &[("<id>", &split.to_string()), ("<its refund>", "NULL")],
    );
    let new = format!("'split1#{split}'");
    with(
        take,
        &[("<its credits>", "3"), ("<its new reference>", &new)],
    );
    with(
        charge,
        &[("<its credits>", "3"), ("<reference>", "'split1'")],
    );
    assert_eq!(found(&database), [""; 0]);
    assert_eq!(balance(&database), before);
    creditdb(["migrate"]).on(&database.url).succeeds();
    assert_eq!(found(&database), [""; 0]);
    // What was given back in parts still counts.
    database.execute(&format!(
        "SELECT public.add_user_credits('{USER}', 3, 'admin_adjustment', 'part1', 'Once more')"
    ));
    // The log row, which says what was left, is wrong now as well.
    assert_eq!(
        found(&database),
        ["refund-within-origin", "usage-amount-mismatch"]
    );
}
