//! What a remedy tells to do, done as it is written: the finding ends, and nothing else begins.

use super::result;
use crate::support::program::creditdb;
use crate::support::server::Database;

const USER: &str = "00000000-0000-4000-8000-000000000001";

/// A request that was charged twice, logged once and given back once, and one that was given back
/// in two parts, before the functions booked a reference once.
const REUSED: &str = "
    SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_1', NULL);
    SELECT public.debit_user_credits('$user', 5, 'usage', 'dup1', NULL) FROM generate_series(1, 2);
    SELECT public.add_user_credits('$user', 5, 'refund', 'dup1', 'Charged twice');
    SELECT public.debit_user_credits('$user', 6, 'usage', 'part1', NULL);
    SELECT public.add_user_credits('$user', 2, 'refund', 'part1', 'Cut off')
      FROM generate_series(1, 2);
    INSERT INTO public.llm_usage_log
           (user_id, request_id, model, provider, prompt_tokens, completion_tokens, total_tokens,
            credits_used, success)
    VALUES ('$user', 'dup1', 'm', 'p', 40, 10, 50, 5, true),
           ('$user', 'part1', 'm', 'p', 50, 10, 60, 6, true);
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
    UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'";

/// What is found, by check.
fn found(database: &Database) -> Vec<String> {
    let run = creditdb(["verify", "--format", "json"]).on(&database.url);
    let audit = run.run().json();
    let checks = audit["checks"].as_array().unwrap().iter();
    let violated = checks.filter(|check| check["status"] == "violated");
    violated
        .map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The statement of a remedy that begins with some words, up to others.
fn statement<'a>(remedy: &'a str, begin: &str, end: &str) -> &'a str {
    let from = remedy.find(begin).unwrap_or_else(|| panic!("{remedy}"));
    let length = remedy[from..].find(end);
    &remedy[from..from + length.unwrap_or_else(|| panic!("{remedy}")) + end.len()]
}

#[test]
fn a_reference_of_its_own_breaks_no_tie_to_log_and_origin() {
    let database = Database::at("1.1.0");
    database.execute(&REUSED.replace("$user", USER));
    assert_eq!(found(&database), ["reference-reused"]);
    let list = creditdb(["list", "--format", "json"]).succeeds().json();
    let remedy = result(&list, "reference-reused")["remedy"]
        .as_str()
        .unwrap();
    let last = |kind: &str, reference: &str| -> i64 {
        let sql = "SELECT max(id) FROM public.credit_transactions
                    WHERE transaction_type = $1 AND reference_id = $2";
        let row = database.connect().query_one(sql, &[&kind, &reference]);
        row.unwrap().get(0)
    };
    let rename = statement(remedy, "UPDATE ", "<its refund>)");
    let record = statement(remedy, "SELECT * FROM public.add_user_credits", "<reason>)");
    let with = |sql: &str, id: i64, refund: &str| {
        let sql = sql.replace("<user>", &format!("'{USER}'"));
        let sql = sql.replace("<id>", &id.to_string());
        let sql = sql.replace("<its refund>", refund);
        database.execute(&sql.replace("<reason>", "'In parts'"));
    };
    let (charge, back) = (last("usage", "dup1"), last("refund", "dup1"));
    with(rename, charge, &back.to_string());
    let part = last("refund", "part1");
    with(rename, part, "NULL");
    with(record, part, "");
    assert_eq!(found(&database), [""; 0]);
}
