//! What an audit does for others who write meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, NoTls};

use super::{check, own_check, result, without_times};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::wait_until;

/// A query check that names how many connections take part, itself included.
const CONNECTIONS: &str = "SELECT 'connections' AS subject, NULL AS expected,
    count(*)::text AS actual, NULL AS difference, NULL AS cause, NULL AS detail
    FROM pg_stat_activity WHERE application_name = 'creditdb' AND xact_start IS NOT NULL";

/// A migrated server of its own, where nobody writes, and which logs all statements.
fn server() -> (Throwaway, String) {
    let settings = [("autovacuum", "off"), ("log_min_duration_statement", "0")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let server = Throwaway::start(&Options {
        settings: settings.to_vec(),
        ..Options::default()
    });
    let server = server.unwrap();
    let url = server.url("postgres");
    creditdb(["migrate"]).on(&url).succeeds();
    (server, url)
}

/// The same with a ledger.
fn sampled() -> (Throwaway, String) {
    let (server, url) = server();
    creditdb(["sample", "--users=40", "--requests=6000"])
        .on(&url)
        .succeeds();
    (server, url)
}

/// Ends the writing, after a failure as well.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does something while somebody writes, though no row that an audit reads.
fn while_somebody_writes<T>(url: &str, what: impl FnOnce() -> T) -> T {
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = Client::connect(url, NoTls).unwrap();
            while !enough.load(Ordering::Relaxed) {
                writer.batch_execute("SELECT pg_current_xact_id()").unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        let _enough = Enough(&enough);
        what()
    })
}

/// How many connections an audit uses.
fn connections(url: &str, arguments: &[&str]) -> usize {
    let folder = own_check(check("query", &[], CONNECTIONS));
    let own = ["verify", "--area=own", "--format=json", "--checks"];
    let run = creditdb(own).args([folder.arg()]).args(arguments).on(url);
    let audit = run.exits(1).json();
    let actual = &result(&audit, "it")["evidence"][0]["actual"];
    actual.as_str().unwrap().parse().unwrap()
}

/// How often the server's log shows a part of a table that was asked for by this column.
fn parts(server: &Throwaway, column: &str) -> usize {
    let asked = format!("public.\"llm_usage_log\".{column} >=");
    server.log().matches(&asked).count()
}

#[test]
fn a_core_is_left_to_those_who_write() {
    let (_server, url) = server();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(connections(&url, &[]), cores.min(4));
    while_somebody_writes(&url, || {
        let all = if cores > 4 { 4 } else { cores.max(2) - 1 };
        assert_eq!(connections(&url, &[]), all);
        assert_eq!(connections(&url, &["--jobs=2"]), 2);
        assert_eq!(connections(&url, &["--full-speed"]), cores.min(4));
    });
}

#[test]
fn a_connection_steps_back_when_somebody_begins_to_write() {
    let (_server, url) = server();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let all = cores.min(4);
    let slow = "SELECT 'slow' AS subject, NULL AS expected, NULL AS actual, NULL AS difference,
        NULL AS cause, NULL AS detail FROM pg_sleep(0.5)";
    let files: Vec<(String, String)> = (0..14)
        .map(|n| (format!("own/slow-{n}.sql"), check("query", &[], slow)))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(f, text)| (&**f, &**text)).collect();
    let folder = Folder::with(&files);
    let own = ["verify", "--area=own", "--format=json", "--checks"];
    let audit = creditdb(own).args([folder.arg()]).on(&url).spawn();
    let mut client = Client::connect(&url, NoTls).unwrap();
    let mut at_work = || -> i64 {
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        client.query_one(asleep, &[]).unwrap().get(0)
    };
    wait_until("all connections are at work", || at_work() == all as i64);
    while_somebody_writes(&url, || {
        let left = if cores > 4 { 4 } else { all.max(2) - 1 };
        // For longer than a check takes, and so not by chance.
        let mut times = 0;
        wait_until("one has stepped back", || {
            thread::sleep(Duration::from_millis(40));
            times = if at_work() == left as i64 {
                times + 1
            } else {
                0
            };
            times == 20
        });
    });
    let run: Run = audit.wait_with_output().unwrap().into();
    assert_eq!(run.code, 1, "{}", run.stderr);
    let violated = run.stdout.matches("\"status\": \"violated\"").count();
    assert_eq!(violated, 14, "{}", run.stdout);
}

#[test]
fn while_somebody_writes_tables_are_read_by_pieces() {
    let (server, url) = sampled();
    let mut owner = Client::connect(&url, NoTls).unwrap();
    let damage = "UPDATE public.llm_usage_log SET latency_ms = -1 WHERE id % 700 = 0";
    owner.batch_execute(damage).unwrap();
    let verify = |arguments: &[&str]| -> (Run, usize) {
        let before = parts(&server, "ctid");
        let run = creditdb(["verify", "--format=json"]).args(arguments);
        (run.on(&url).succeeds(), parts(&server, "ctid") - before)
    };
    let (quiet, few) = verify(&[]);
    assert_eq!(
        result(&quiet.json(), "latency-implausible")["violations"],
        8
    );
    while_somebody_writes(&url, || {
        let (by_pieces, many) = verify(&[]);
        assert_eq!(without_times(&quiet), without_times(&by_pieces));
        assert!(many > 10 * few.max(1), "{many} parts, {few} when quiet");
        let (_, at_once) = verify(&["--full-speed"]);
        assert_eq!(at_once, few);
    });
}

#[test]
fn while_somebody_writes_what_was_sealed_at_once_is_found_again_by_pieces() {
    let (server, url) = sampled();
    let folder = Folder::with::<&str>(&[]);
    let state = format!("--state={}/ledger.state", folder.arg());
    creditdb(["verify", &state]).on(&url).succeeds();
    assert_eq!(parts(&server, "id"), 0);
    let mut gateway = Client::connect(&url, NoTls).unwrap();
    let requests = "SELECT public.record_llm_request(user_id, 'late_' || n, 'gpt-4-turbo',
            'openai', 'balanced', 1000, 200, 0.001, 900)
        FROM generate_series(1, 600) AS n, (SELECT user_id FROM public.user_credits
            WHERE tier = 'enterprise' AND balance > 1 ORDER BY user_id LIMIT 1) AS u;
        UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 hour',
            credits_used_this_month = 0.6 WHERE updated_at > now() - interval '1 hour'";
    gateway.batch_execute(requests).unwrap();
    while_somebody_writes(&url, || {
        creditdb(["verify", &state]).on(&url).succeeds();
        // New rows 1 to 600, by 200 ids, each part in two or three lines of the log.
        assert!(parts(&server, "id") > 3);
        creditdb(["verify", &state, "--full"]).on(&url).succeeds();
    });
    let edit = "SET session_replication_role = replica;
        UPDATE public.llm_usage_log SET model = 'other' WHERE id = 3000";
    gateway.batch_execute(edit).unwrap();
    while_somebody_writes(&url, || {
        let run = creditdb(["verify", "--format=json", &state, "--full"]).on(&url);
        let sealed = result(&run.exits(1).json(), "sealed-history").clone();
        assert_eq!(sealed["violations"], 1, "{sealed}");
    });
}

#[test]
fn ids_that_were_skipped_take_no_time() {
    let (_server, url) = sampled();
    let folder = Folder::with::<&str>(&[]);
    let state = format!("--state={}/ledger.state", folder.arg());
    creditdb(["verify", &state]).on(&url).succeeds();
    let mut owner = Client::connect(&url, NoTls).unwrap();
    let skip = "SELECT setval('public.llm_usage_log_id_seq', 20000000000);
        INSERT INTO public.llm_usage_log (user_id, model, provider, success, error_message,
            latency_ms) SELECT user_id, 'm', 'p', false, 'e', -1 FROM public.user_credits LIMIT 1";
    owner.batch_execute(skip).unwrap();
    let verify = |arguments: &[&str]| {
        let night = ["verify", "--format=json", "--deadline=1min", &state];
        let run = creditdb(night).args(arguments).on(&url).succeeds();
        let found = result(&run.json(), "latency-implausible").clone();
        assert_eq!(found["violations"], 1, "{found}");
    };
    while_somebody_writes(&url, || verify(&[]));
    verify(&["--max-rows-per-second=100000"]);
}

/// A role that may read and no more, as a URL.
fn stranger(url: &str, and: &str) -> String {
    let mut owner = Client::connect(url, NoTls).unwrap();
    let role = format!("CREATE ROLE stranger LOGIN IN ROLE creditdb_auditor; {and}");
    owner.batch_execute(&role).unwrap();
    url.replace("postgres@", "stranger@")
}

#[test]
fn an_audit_goes_on_with_the_connections_that_it_gets() {
    let (_server, url) = server();
    let stranger = stranger(&url, "ALTER ROLE stranger CONNECTION LIMIT 1");
    let run = creditdb(["verify", "--area=chain", "--jobs=4"]).on(&stranger);
    let run = run.succeeds();
    let refused = "too many connections for role \"stranger\"";
    for said in [
        "3 connections less: ",
        "makes no room for writers: ",
        refused,
    ] {
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}

#[test]
fn an_audit_goes_on_making_room_when_nobody_can_see_any_more_who_writes() {
    let (server, url) = sampled();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'creditdb' AND query LIKE '%pg_snapshot_xmax%'";
    while_somebody_writes(&url, || {
        let slowly = ["verify", "--jobs=1", "--max-rows-per-second=4000"];
        let verify = || creditdb(slowly).on(&url).succeeds();
        verify();
        let all = parts(&server, "ctid");
        let seen = thread::scope(|scope| {
            let ending = scope.spawn(|| {
                let mut owner = Client::connect(&url, NoTls).unwrap();
                wait_until("there are pieces", || parts(&server, "ctid") > all + 3);
                assert_eq!(owner.query(end, &[]).unwrap().len(), 1);
                parts(&server, "ctid")
            });
            verify();
            ending.join().unwrap()
        });
        let after = parts(&server, "ctid") - seen;
        assert!(
            after > all / 2,
            "{after} parts after it was lost, {all} in all"
        );
    });
}

#[test]
fn an_audit_goes_on_where_nobody_may_ask_who_writes() {
    let (_server, url) = server();
    let revoked = "REVOKE EXECUTE ON FUNCTION pg_snapshot_xmax(pg_snapshot) FROM PUBLIC";
    let stranger = stranger(&url, revoked);
    while_somebody_writes(&url, || {
        creditdb(["verify", "--area=chain"])
            .on(&stranger)
            .succeeds();
    });
}
