//! Checks that name their suspects, or ask a question first: evaluated only where there is reason.

use super::{LEDGER, assert_says, check, own_check, result, verify_own};
use crate::support::program::creditdb;
use crate::support::server::Database;

/// A check that finds a violation whenever it is evaluated.
fn accuser(keys: &[(&str, &str)]) -> String {
    check(
        "query",
        keys,
        "SELECT 'it' AS subject, NULL AS expected, NULL AS actual, NULL AS difference,
                NULL AS cause, NULL AS detail",
    )
}

/// What becomes of the accuser.
fn status(database: &Database, keys: &[(&str, &str)], code: i32) -> String {
    let audit = verify_own(database, &own_check(accuser(keys)), code);
    result(&audit, "it")["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_check_is_evaluated_where_a_row_is_suspect() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let status = |suspects: &str, code: i32| {
        let keys = [("table", "credit_transactions"), ("suspects", suspects)];
        status(&database, &keys, code)
    };
    assert_eq!(status("amount > 1000000", 0), "holds");
    assert_eq!(status("amount <> 0", 1), "violated");
    // Neither true nor false is no reason to look away.
    assert_eq!(status("amount > NULL", 1), "violated");
    // Nor is an expression that fails.
    assert_eq!(status("amount / (amount - amount) > 0", 1), "violated");
}

#[test]
fn suspects_that_are_not_found_in_the_canary_are_not_believed() {
    let database = Database::migrated();
    let keys = |amount: &str| {
        let canary = format!("{{\"credit_transactions\": [{{\"amount\": {amount}}}]}}");
        let keys = [
            ("table", "credit_transactions"),
            ("suspects", "amount < 0"),
            ("canary", canary.as_str()),
        ];
        own_check(accuser(&keys))
    };
    assert_eq!(verify_own(&database, &keys("-1"), 0)["verdict"], "clean");
    for missed in ["1", "null"] {
        let audit = verify_own(&database, &keys(missed), 3);
        let reason = result(&audit, "it")["reason"].as_str().unwrap();
        assert!(reason.contains("its own canary plants"), "{reason}");
    }
}

#[test]
fn a_check_is_evaluated_where_its_question_finds_something() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let status = |rows: &str, code: i32| {
        let question = format!("SELECT FROM public.credit_transactions WHERE {rows}");
        status(&database, &[("question", question.as_str())], code)
    };
    assert_eq!(status("amount > 1000000", 0), "holds");
    assert_eq!(status("amount <> 0", 1), "violated");
    // A question that fails has no answer.
    assert_eq!(status("amount / (amount - amount) > 0", 3), "error");
}

#[test]
fn where_nobody_is_suspect_nothing_is_asked() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let keys = [
        ("table", "credit_transactions"),
        ("suspects", "amount > 1000000"),
        ("question", "SELECT 1 / 0"),
    ];
    assert_eq!(status(&database, &keys, 0), "holds");
}

#[test]
fn a_question_that_finds_nothing_in_the_canary_is_not_believed() {
    let database = Database::migrated();
    let audit = |amount: i32, code: i32| {
        let canary = format!("{{\"credit_transactions\": [{{\"amount\": {amount}}}]}}");
        let question = "SELECT FROM public.credit_transactions WHERE amount < 0";
        let keys = [("question", question), ("canary", canary.as_str())];
        verify_own(&database, &own_check(accuser(&keys)), code)
    };
    assert_eq!(audit(-1, 0)["verdict"], "clean");
    let audit = audit(1, 3);
    let reason = result(&audit, "it")["reason"].as_str().unwrap();
    assert!(reason.contains("its own canary plants"), "{reason}");
}

/// The question of the collision takes each usage for a request of the log.
#[test]
fn a_collision_is_found_in_the_log_and_without_it() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let log = "INSERT INTO public.llm_usage_log
                      (user_id, request_id, model, provider, credits_used, success)
               SELECT user_id, reference_id, 'm', 'p', -amount, true
                 FROM public.credit_transactions WHERE transaction_type = 'usage'
               ON CONFLICT DO NOTHING";
    let collisions = || {
        let run = creditdb(["verify", "--format", "json"]).on(&database.url);
        result(&run.run().json(), "reference-type-collision")["violations"].clone()
    };
    database.execute(log);
    assert_eq!(collisions(), 0);
    database.execute(
        "SELECT public.debit_user_credits(user_id, 1, 'usage', reference_id, 'Wrong id')
           FROM public.credit_transactions WHERE transaction_type = 'purchase'",
    );
    assert_eq!(collisions(), 1);
    database.execute(log);
    assert_eq!(collisions(), 1);
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let lonely = own_check(accuser(&[("suspects", "true")]));
    let run = creditdb(["list", "--checks", lonely.arg()]).exits(2);
    assert_says(&run, &["\"suspects\" needs the header key \"table\""]);
    let idle = own_check(accuser(&[("table", "credit_transactions")]));
    let run = creditdb(["list", "--checks", idle.arg()]).exits(2);
    assert_says(&run, &["belongs to row checks, or beside \"suspects\""]);
    for key in ["suspects", "question"] {
        let both = own_check(check("row", &[(key, "SELECT")], "amount < 0"));
        let run = creditdb(["list", "--checks", both.arg()]).exits(2);
        assert_says(&run, &[&format!("a row check has no \"{key}\"")]);
    }
    let mute = own_check(accuser(&[("question", "amount < 0")]));
    let run = creditdb(["list", "--checks", mute.arg()]).exits(2);
    assert_says(&run, &["question is a SELECT"]);
}

#[test]
fn suspects_that_count_on_an_equation_are_not_all_of_them_where_it_does_not_apply() {
    let database = Database::migrated();
    // The sums are made for numeric(20,8).
    database.execute(
        "ALTER TABLE public.llm_usage_log ALTER credits_used TYPE numeric;
         INSERT INTO public.llm_usage_log
                (user_id, request_id, model, provider, credits_used, success)
         VALUES ('00000000-0000-4000-8000-00000000000f', 'req_1', 'm', 'p', 1, true);",
    );
    let run = creditdb(["verify", "usage-user-unknown", "--format", "json"])
        .on(&database.url)
        .exits(1);
    assert_eq!(result(&run.json(), "usage-user-unknown")["violations"], 1);
}
