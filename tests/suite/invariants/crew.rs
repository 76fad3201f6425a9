//! Several connections evaluate one audit: the same bytes however many, and whatever one of them
//! could not finish is named.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, NoTls};

use super::{LEDGER, check, own_check, result, without_times};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::server::Database;
use crate::support::standby::Standby;
use crate::support::wait_until;

/// A query check that finds nothing.
const NOTHING: &str = "SELECT 'entry ' || id AS subject, NULL AS expected, NULL AS actual,
    amount AS difference, NULL AS cause, NULL AS detail FROM public.credit_transactions
    WHERE amount = 0";

/// A query check that ends its own session.
const SUICIDE: &str = "SELECT pg_terminate_backend(pg_backend_pid()) AS subject,
    NULL AS expected, NULL AS actual, NULL AS difference, NULL AS cause, NULL AS detail";

/// A query check that takes longer than anybody waits.
const ENDLESS: &str = "SELECT pg_sleep(60) AS subject, NULL AS expected, NULL AS actual,
    NULL AS difference, NULL AS cause, NULL AS detail";

/// Audits the checks of a folder with further arguments.
fn audit(database: &Database, folder: &Folder, arguments: &[&str]) -> Value {
    let own = ["verify", "--area", "own", "--checks", folder.arg()];
    creditdb(own)
        .args(["--format", "json"])
        .args(arguments)
        .on(&database.url)
        .exits(3)
        .json()
}

/// Statuses of the checks a, b and c.
fn statuses(audit: &Value) -> [&str; 3] {
    ["a", "b", "c"].map(|id| result(audit, id)["status"].as_str().unwrap())
}

fn three_checks(second: &str) -> Folder {
    Folder::with(&[
        ("own/a.sql", check("query", &[], NOTHING)),
        ("own/b.sql", check("query", &[], second)),
        ("own/c.sql", check("query", &[], NOTHING)),
    ])
}

/// Enough rows for several page ranges in each of the two large tables.
fn sampled() -> Database {
    let database = Database::migrated();
    creditdb(["sample", "--users=40", "--requests=6000"])
        .on(&database.url)
        .succeeds();
    database
}

#[test]
fn a_lost_connection_leaves_the_rest_unread() {
    let database = Database::migrated();
    let audit = audit(&database, &three_checks(SUICIDE), &["--jobs=1"]);
    assert_eq!(statuses(&audit), ["holds", "error", "error"]);
    let reason = result(&audit, "c")["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("not evaluated: the connection was lost"),
        "{reason}"
    );
}

#[test]
fn a_lost_helper_is_never_taken_for_clean_and_the_others_go_on() {
    let database = Database::migrated();
    let audit = audit(&database, &three_checks(SUICIDE), &["--jobs=3"]);
    assert_eq!(audit["verdict"], "incomplete");
    assert_eq!(statuses(&audit), ["holds", "error", "holds"]);
}

#[test]
fn a_lost_range_leaves_the_row_checks_of_its_table_undecided() {
    let database = sampled();
    // In the middle of the table, so that other ranges are read before and after.
    let killer = "CASE WHEN id = (SELECT max(id) / 2 FROM public.llm_usage_log)
                       THEN pg_terminate_backend(pg_backend_pid()) ELSE false END";
    let log = [("table", "llm_usage_log"), ("actual", "id")];
    let folder = Folder::with(&[
        ("own/a.sql", check("query", &[], NOTHING)),
        ("own/b.sql", check("row", &log, killer)),
        ("own/c.sql", check("row", &log, "false")),
    ]);
    let audit = audit(&database, &folder, &["--jobs=3"]);
    assert_eq!(statuses(&audit), ["holds", "error", "error"]);
}

#[test]
fn an_expression_that_fails_does_not_take_the_others_with_it() {
    let database = sampled();
    let log = [("table", "llm_usage_log"), ("actual", "id")];
    let folder = Folder::with(&[
        ("own/a.sql", check("row", &log, "id = 1")),
        (
            "own/b.sql",
            check("row", &log, "1 / (id - id / 2 * 2) = -1"),
        ),
        ("own/c.sql", check("row", &log, "false")),
    ]);
    let audit = audit(&database, &folder, &["--jobs=2"]);
    assert_eq!(statuses(&audit), ["violated", "error", "holds"]);
    let reason = result(&audit, "b")["reason"].as_str().unwrap();
    assert!(reason.contains("division by zero"), "{reason}");
}

#[test]
fn the_deadline_cuts_off_and_names_what_was_not_decided() {
    let database = Database::migrated();
    let started = Instant::now();
    let arguments = ["--jobs=1", "--deadline=1s"];
    let audit = audit(&database, &three_checks(ENDLESS), &arguments);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(audit["verdict"], "incomplete");
    assert_eq!(statuses(&audit), ["holds", "error", "error"]);
    let reason = |id| result(&audit, id)["reason"].as_str().unwrap().to_owned();
    assert!(reason("b").contains("(SQLSTATE 57014)"), "{}", reason("b"));
    assert_eq!(reason("c"), "not evaluated: the deadline of 1s was over");
}

/// The server ends a session that is silent in a transaction for a minute: one that waits for the
/// others, or for its rate, speaks in between.
#[test]
fn a_connection_without_work_gives_signs_of_life() {
    let database = sampled();
    let log = [("table", "llm_usage_log"), ("actual", "id")];
    let planted = ("canary", r#"{"id": "1"}"#);
    let slow = "pg_sleep(60) IS NOT NULL";
    for (check_of, arguments) in [
        (check("query", &[], ENDLESS), &["--jobs=2"][..]),
        (
            check("row", &[log[0], log[1], planted], slow),
            &["--jobs=2"],
        ),
        (
            check("row", &log, "false"),
            &["--jobs=1", "--max-rows-per-second=1"],
        ),
    ] {
        let folder = own_check(&check_of);
        let mut running = creditdb(["verify", "--area=own", "--checks", folder.arg()])
            .args(arguments)
            .on(&database.url)
            .spawn();
        let mut client = database.connect();
        let spoke = "SELECT query_start::text FROM pg_stat_activity
                      WHERE datname = current_database() AND query = ''
                            AND state = 'idle in transaction'";
        let mut signs = BTreeSet::new();
        wait_until("a connection speaks again and again", || {
            let rows = client.query(spoke, &[]).unwrap();
            signs.extend(rows.iter().map(|row| row.get::<_, String>(0)));
            signs.len() > 1
        });
        running.kill().unwrap();
        running.wait().unwrap();
    }
}

#[test]
fn a_rate_is_kept() {
    let database = sampled();
    let rate = "--max-rows-per-second=2000";
    let started = Instant::now();
    creditdb(["verify", "latency-implausible", "--jobs=2", rate])
        .on(&database.url)
        .succeeds();
    // 6000 rows take 3 s, but for the last ranges, which need not wait for themselves.
    assert!(started.elapsed() >= Duration::from_millis(1500));

    // To seal them, as many entries and as many requests are read twice: in 4 s, not 2.
    let folder = Folder::with::<&str>(&[]);
    let state = format!("--state={}/it.state", folder.arg());
    let rate = "--max-rows-per-second=6000";
    let started = Instant::now();
    creditdb(["verify", &state, "--full-speed", "--jobs=1", rate])
        .on(&database.url)
        .run();
    assert!(started.elapsed() >= Duration::from_millis(3200));
}

#[test]
fn the_same_bytes_for_any_number_of_connections() {
    let database = sampled();
    database.execute(
        "SET session_replication_role = replica;
         UPDATE public.llm_usage_log SET latency_ms = -1 WHERE id % 700 = 0;
         UPDATE public.credit_transactions SET balance_after = balance_after + 1
          WHERE id % 900 = 0;
         UPDATE public.llm_usage_log SET credits_used = credits_used + 1 WHERE id % 800 = 0;
         DELETE FROM public.credit_transactions WHERE id % 1000 = 1;
         UPDATE public.user_credits SET billing_cycle_start = now() + interval '1 day'
          WHERE user_id = (SELECT max(user_id::text)::uuid FROM public.user_credits);
         UPDATE public.user_credits SET balance = balance + 5
          WHERE user_id = (SELECT min(user_id::text)::uuid FROM public.user_credits);",
    );
    let said = |jobs: &str| {
        creditdb(["verify", "--format", "json", "--jobs", jobs])
            .on(&database.url)
            .exits(1)
    };
    let alone = said("1");
    for id in [
        "chain-continuity",
        "cycle-start-future",
        "latency-implausible",
        "usage-amount-mismatch",
    ] {
        assert_eq!(result(&alone.json(), id)["status"], "violated", "{id}");
    }
    assert_eq!(without_times(&alone), without_times(&said("2")));
    assert_eq!(without_times(&alone), without_times(&said("8")));
}

#[test]
fn a_standby_is_audited_and_a_conflict_with_recovery_is_never_clean() {
    let settings = [
        ("max_standby_streaming_delay", "0"),
        ("autovacuum", "off"),
        ("wal_receiver_status_interval", "1"),
    ];
    let settings = settings.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
    let primary = Throwaway::start(&Options {
        settings,
        ..Options::default()
    })
    .unwrap();
    let url = primary.url("postgres");
    creditdb(["migrate"]).on(&url).succeeds();
    let mut client = Client::connect(&url, NoTls).unwrap();
    client.batch_execute(LEDGER).unwrap();
    client.batch_execute(OLD_ENOUGH).unwrap();
    let standby = Standby::of(&primary);
    let url = standby.url("postgres");
    let mut replica = Client::connect(&url, NoTls).unwrap();
    let arguments = ["verify", "--area", "chain", "--jobs=2", "--format", "json"];
    let audit = creditdb(arguments).on(&url).succeeds().json();
    assert_eq!(audit["database"]["standby"], true);
    let state = with_state(&primary.url("postgres"), &url);

    let folder = three_checks(ENDLESS);
    let arguments = ["verify", "--area=own", "--checks", folder.arg()];
    let running = creditdb(arguments)
        .args(["--jobs=1", "--format=json"])
        .on(&url)
        .spawn();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the check sleeps", || {
        replica.query_one(asleep, &[]).unwrap().get::<_, i64>(0) > 0
    });
    // The old row goes away that the snapshot of the standby can still see.
    client
        .batch_execute("UPDATE public.user_credits SET updated_at = now()")
        .unwrap();
    client.batch_execute("VACUUM public.user_credits").unwrap();
    let run = Run::from(running.wait_with_output().unwrap());
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    let audit = run.json();
    assert_eq!(audit["verdict"], "incomplete");
    assert_eq!(statuses(&audit), ["holds", "error", "error"]);
    let reason = result(&audit, "b")["reason"].as_str().unwrap();
    // The server's last words arrive or are lost with the connection.
    let words = ["conflict with recovery", "connection closed"];
    let told = words.iter().any(|word| reason.contains(word));
    assert!(told, "{reason}");

    replica.batch_execute("SELECT pg_promote()").unwrap();
    let arguments = ["verify", "--format=json", "--state", &state.arg()];
    let audit = creditdb(arguments).on(&url).run().json();
    let reason = audit["state"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the server was on timeline 1 and is on 2"),
        "{reason}"
    );
}

/// The ledger is an hour old, and its request was logged.
const OLD_ENOUGH: &str = "
    SET session_replication_role = replica;
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
    INSERT INTO public.llm_usage_log
           (user_id, request_id, model, provider, credits_used, success, created_at)
    SELECT user_id, reference_id, 'gpt-4', 'openai', -amount, true, created_at
      FROM public.credit_transactions WHERE transaction_type = 'usage';
    RESET session_replication_role;";

/// A standby reads what is new since the audit of its primary, and seals nothing.
fn with_state(primary: &str, standby: &str) -> StateOf {
    let state = StateOf(Folder::with::<&str>(&[]));
    let audit = |url: &str| {
        let arguments = ["verify", "--format=json", "--state", &state.arg()];
        creditdb(arguments).on(url).run().json()["state"].clone()
    };
    let first = audit(primary);
    assert_eq!(first["mode"], "full");
    let second = audit(standby);
    assert_eq!(
        (&second["mode"], &second["sealed"]),
        (&"incremental".into(), &first["sealed"])
    );
    let kept = second["kept"].as_str().unwrap();
    assert!(kept.starts_with("a standby does not show"), "{kept}");
    state
}

/// The file of a state in a folder of its own.
struct StateOf(Folder);

impl StateOf {
    fn arg(&self) -> String {
        format!("{}/it.state", self.0.arg())
    }
}
