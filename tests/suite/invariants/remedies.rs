//! What a remedy tells to do, done as it is written: the finding ends, and nothing else begins.

use std::thread;
use std::time::Duration;

use super::{LEDGER, result};
use crate::support::program::creditdb;
use crate::support::server::Database;
use crate::support::wait_until;

pub(super) const USER: &str = "00000000-0000-4000-8000-000000000001";

/// What is found, by check.
pub(super) fn found(database: &Database) -> Vec<String> {
    let run = creditdb(["verify", "--format", "json"]).on(&database.url);
    let audit = run.run().json();
    let checks = audit["checks"].as_array().unwrap().iter();
    let violated = checks.filter(|check| check["status"] == "violated");
    violated
        .map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}

/// What a check tells to do.
pub(super) fn remedy(id: &str) -> String {
    let list = creditdb(["list", "--format", "json"]).succeeds().json();
    result(&list, id)["remedy"].as_str().unwrap().to_owned()
}

/// The statement of a remedy that begins with some words, up to others.
pub(super) fn statement<'a>(remedy: &'a str, begin: &str, end: &str) -> &'a str {
    let from = remedy.find(begin).unwrap_or_else(|| panic!("{remedy}"));
    let length = remedy[from..].find(end);
    &remedy[from..from + length.unwrap_or_else(|| panic!("{remedy}")) + end.len()]
}

/// Something absolute that a remedy sets, and what another session does between the audit and it.
const ABSOLUTE: [(&str, &str, &str); 4] = [
    (
        "balance-equals-last",
        "UPDATE public.user_credits SET balance = balance + 50",
        "SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_2', NULL)",
    ),
    (
        "balance-equals-sum",
        "UPDATE public.user_credits SET balance = balance - 50",
        "SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_2', NULL)",
    ),
    (
        "balance-without-history",
        "INSERT INTO public.user_credits (user_id, balance, tier, monthly_allowance)
         VALUES ('00000000-0000-4000-8000-000000000002', 25, 'trial', 100)",
        "SELECT public.debit_user_credits('00000000-0000-4000-8000-000000000002', 5,
                                          'admin_adjustment', 'case_2', 'Agreed')",
    ),
    (
        "quota-equals-cycle-sum",
        "UPDATE public.user_credits SET credits_used_this_month = 3",
        "SELECT public.debit_user_credits('$user', 5, 'usage', 'req_2', NULL)",
    ),
];

#[test]
fn a_value_of_the_audit_is_set_only_where_nothing_came_after_it() {
    let sound = Database::migrated();
    sound.execute(LEDGER);
    for (id, damage, meanwhile) in ABSOLUTE {
        let database = sound.copy();
        database.execute(damage);
        let audit = creditdb(["verify", id, "--format", "json"]).on(&database.url);
        let audit = audit.exits(1).json();
        let evidence = &result(&audit, id)["evidence"][0];
        let said = |key: &str| evidence[key].as_str().unwrap();
        let user = said("subject").strip_prefix("user ").unwrap();
        let set = statement(&remedy(id), "UPDATE ", "<actual>")
            .replace("<user>", &format!("'{user}'"))
            .replace("<expected>", said("expected"))
            .replace("<actual>", said("actual"));
        let late = database.copy();
        late.execute(&meanwhile.replace("$user", USER));
        let changed = late.connect().execute(&set, &[]).unwrap();
        assert_eq!(changed, 0, "{id}: {set}");
        let changed = database.connect().execute(&set, &[]).unwrap();
        assert_eq!(changed, 1, "{id}: {set}");
        assert_eq!(found(&database), [""; 0], "{id}");
    }
}

#[test]
fn credits_that_were_meant_are_granted_once_and_the_chain_holds() {
    let database = Database::migrated();
    database.execute(LEDGER);
    database.execute("UPDATE public.user_credits SET balance = 140");
    let remedy = remedy("balance-equals-last");
    let set = statement(&remedy, "UPDATE ", "<actual>")
        .replace("<user>", &format!("'{USER}'"))
        .replace("<expected>", "90")
        .replace("<actual>", "140");
    // "do that first, and grant them in the same transaction"
    let grant = statement(&remedy, "public.add_user_credits", " ");
    database.execute(&format!(
        "BEGIN; {set}; SELECT {grant}('{USER}', 50, 'admin_adjustment', 'case_1', 'Agreed'); COMMIT"
    ));
    assert_eq!(found(&database), [""; 0]);
    let balance = "SELECT balance = 140 FROM public.user_credits";
    let row = database.connect().query_one(balance, &[]).unwrap();
    assert!(row.get::<_, bool>(0));
}

/// Returns when somebody waits for a lock.
fn await_a_waiter(database: &Database) {
    let mut lookout = database.connect();
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                                 WHERE datname = current_database() AND wait_event_type = 'Lock')";
    wait_until("somebody to wait for a lock", || {
        lookout.query_one(waits, &[]).unwrap().get(0)
    });
}

/// A debit that has the row lock when a cycle is begun by hand belongs to the cycle before.
#[test]
fn a_cycle_begins_after_the_debit_that_was_ahead_in_the_queue() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let month_ago = "UPDATE public.user_credits
                        SET billing_cycle_start = now() - interval '40 days'";
    database.execute(month_ago);
    assert_eq!(found(&database), ["cycle-stale"]);
    let begin = remedy("cycle-stale");
    let begin = statement(&begin, "BEGIN;", "COMMIT;").replace("<user>", &format!("'{USER}'"));
    let mut gateway = database.connect();
    let mut debit = gateway.transaction().unwrap();
    let lock = "SELECT FROM public.user_credits FOR NO KEY UPDATE";
    debit.batch_execute(lock).unwrap();
    thread::scope(|scope| {
        let by_hand = scope.spawn(|| database.execute(&begin));
        await_a_waiter(&database);
        let charge = format!("SELECT public.debit_user_credits('{USER}', 5, 'usage', 'a', NULL)");
        debit.batch_execute(&charge).unwrap();
        debit.commit().unwrap();
        by_hand.join().unwrap();
    });
    assert_eq!(found(&database), [""; 0]);
}

/// A failed attempt and its retry have one id, as had everybody's who upgrades to 1.2.0.
const RETRIED: &str = "
    SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_1', NULL);
    SELECT public.debit_user_credits('$user', 5, 'usage', 'retried', NULL);
    INSERT INTO public.llm_usage_log
           (user_id, request_id, model, provider, prompt_tokens, completion_tokens, total_tokens,
            credits_used, success, error_message)
    VALUES ('$user', 'retried', 'm', 'p', 0, 0, 0, 0, false, 'time-out'),
           ('$user', 'retried', 'm', 'p', 40, 10, 50, 5, true, NULL);
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
    UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'";

#[test]
fn of_an_attempt_and_its_retry_the_one_that_was_charged_is_kept() {
    let database = Database::at("1.1.0");
    database.execute(&RETRIED.replace("$user", USER));
    assert_eq!(found(&database), ["request-id-duplicate"]);
    let remedy = remedy("request-id-duplicate");
    assert!(remedy.contains("keep one of the log rows, the one that was charged"));
    let keep = statement(&remedy, "DELETE FROM", "<kept>")
        .replace("<user>", &format!("'{USER}'"))
        .replace("<request_id>", "'retried'");
    let with = |which: &str| {
        let kept = format!("(SELECT {which} FROM public.llm_usage_log)");
        keep.replace("<kept>", &kept)
    };
    // A log that has lost what was charged is found, for as long as it is there.
    let first = database.copy();
    first.execute(&with("min(id)"));
    assert_eq!(found(&first), ["usage-amount-mismatch"]);
    database.execute(&with("min(id) FILTER (WHERE credits_used = 5)"));
    assert_eq!(found(&database), [""; 0]);
    creditdb(["migrate"]).on(&database.url).succeeds();
    assert_eq!(found(&database), [""; 0]);
}

/// A request without an id failed after it had been charged, and was given back without an id.
const RETURNED: &str = "
    SET session_replication_role = replica;
    SELECT public.add_user_credits('$user', 100, 'purchase', 'pay_1', NULL);
    SELECT public.debit_user_credits('$user', 5, 'usage', NULL, NULL);
    SELECT public.add_user_credits('$user', 5, 'refund', NULL, 'Failed');
    SELECT public.add_user_credits('$user', 0.00000001, 'admin_adjustment', 'entry ' || max(id),
                                   'Of the request before it')
      FROM public.credit_transactions;
    INSERT INTO public.llm_usage_log
           (user_id, request_id, model, provider, prompt_tokens, completion_tokens, total_tokens,
            credits_used, success, error_message, created_at)
    VALUES ('$user', 'first', 'm', 'p', 0, 0, 0, 0, false, 'x', now() - interval '5 days'),
           ('$user', NULL, 'm', 'p', 9, 0, 9, 0, false, 'x', now() - interval '1 hour');
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour'";

#[test]
fn a_day_on_which_nothing_is_due_is_settled_with_the_least_credit() {
    let database = Database::migrated();
    database.execute(&RETURNED.replace("$user", USER));
    assert_eq!(found(&database), ["usage-sum-per-day"]);
    let audit = creditdb(["verify", "usage-sum-per-day", "--format=json"]).on(&database.url);
    let audit = audit.exits(1).json();
    let subject = &result(&audit, "usage-sum-per-day")["evidence"][0]["subject"];
    let last_day = subject.as_str().unwrap().rsplit(' ').next().unwrap();
    let settle = statement(
        &remedy("usage-sum-per-day"),
        "SELECT * FROM public.debit",
        "<reason>)",
    )
    .replace("debit_user_credits", "add_user_credits")
    .replace("<user>", &format!("'{USER}'"))
    .replace("<owed>", "0.00000001")
    .replace("<last day>", last_day)
    .replace("<reason>", "'Given back'");
    database.execute(&settle);
    assert_eq!(found(&database), [""; 0]);
}

/// The sequence is behind, and somebody has drawn from it and not committed: it must not be set to
/// where the committed rows are.
#[test]
fn a_sequence_that_is_behind_is_set_above_what_others_have_drawn() {
    let database = Database::migrated();
    let grant = |n: u8, reference: &str| {
        format!(
            "SELECT public.add_user_credits('00000000-0000-4000-8000-00000000000{n}', 100,
                                            'bonus', '{reference}', NULL)"
        )
    };
    for reference in ["a1", "a2", "a3"] {
        database.execute(&grant(1, reference));
    }
    database.execute("SELECT setval('public.credit_transactions_id_seq', 2)");
    assert_eq!(found(&database), ["sequence-behind"]);
    let mend = remedy("sequence-behind");
    let mend = statement(&mend, "BEGIN;", "COMMIT;")
        .replace("<table>", "credit_transactions")
        .replace("<sequence>", "credit_transactions_id_seq");
    let mut gateway = database.connect();
    let mut grants = gateway.transaction().unwrap();
    for reference in ["b1", "b2"] {
        grants.batch_execute(&grant(2, reference)).unwrap();
    }
    thread::scope(|scope| {
        let by_hand = scope.spawn(|| database.execute(&mend));
        await_a_waiter(&database);
        let after = scope.spawn(|| database.execute(&grant(3, "c1")));
        thread::sleep(Duration::from_millis(50));
        grants.commit().unwrap();
        by_hand.join().unwrap();
        after.join().unwrap();
    });
    // The first one was drawn again before anybody knew.
    assert_eq!(found(&database), ["id-duplicate"]);
    let audit = creditdb(["verify", "id-duplicate", "--format=json"]).on(&database.url);
    let audit = audit.exits(1).json();
    assert_eq!(result(&audit, "id-duplicate")["violations"], 1);
    let renumber = statement(&remedy("id-duplicate"), "UPDATE ", "ct.id = n.old")
        .replace("<user>", "'00000000-0000-4000-8000-000000000002'")
        .replace("<id>", "3");
    database.execute(&format!(
        "BEGIN; ALTER TABLE public.credit_transactions
                    DISABLE TRIGGER credit_transactions_keep_entries;
         {renumber};
         ALTER TABLE public.credit_transactions
             ENABLE TRIGGER credit_transactions_keep_entries; COMMIT"
    ));
    assert_eq!(found(&database), [""; 0]);
}

/// The number of the last entry comes back with the balance, unless somebody was faster.
#[test]
fn a_balance_row_that_was_lost_comes_back_with_its_number() {
    let sound = Database::migrated();
    sound.execute(LEDGER);
    let lost = "SET session_replication_role = replica; DELETE FROM public.user_credits";
    sound.execute(lost);
    let text = remedy("balance-row-missing");
    let user = format!("'{USER}'");
    let insert = statement(&text, "INSERT INTO", "DO NOTHING")
        .replace("<user>", &user)
        .replace("<expected>", "90");
    let number = statement(&text, "UPDATE ", "last_entry_seq = 0").replace("<user>", &user);
    let charge = format!("SELECT public.debit_user_credits('{USER}', 5, 'usage', 'late', NULL)");
    for meanwhile in ["SELECT", &charge] {
        let database = sound.copy();
        assert_eq!(found(&database), ["balance-row-missing", "trial-balance"]);
        for sql in [&insert, meanwhile, &number] {
            database.execute(sql);
        }
        assert_eq!(found(&database), [""; 0], "{meanwhile}");
    }
}
