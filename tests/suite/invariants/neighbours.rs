//! How many connections an audit uses when nobody has said how many.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, NoTls};

use super::{check, own_check, result};
use crate::support::program::creditdb;

/// A query check that names how many connections take part, itself included.
const CONNECTIONS: &str = "SELECT 'connections' AS subject, NULL AS expected,
    count(*)::text AS actual, NULL AS difference, NULL AS cause, NULL AS detail
    FROM pg_stat_activity WHERE application_name = 'creditdb' AND xact_start IS NOT NULL";

/// How many connections an audit uses.
fn connections(url: &str, arguments: &[&str]) -> usize {
    let folder = own_check(check("query", &[], CONNECTIONS));
    let own = ["verify", "--area=own", "--format=json", "--checks"];
    let run = creditdb(own).args([folder.arg()]).args(arguments).on(url);
    let audit = run.exits(1).json();
    let actual = &result(&audit, "it")["evidence"][0]["actual"];
    actual.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_core_is_left_to_those_who_write() {
    let quiet = [("autovacuum", "off")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let server = Throwaway::start(&Options {
        settings: quiet.to_vec(),
        ..Options::default()
    });
    let server = server.unwrap();
    let url = server.url("postgres");
    creditdb(["migrate"]).on(&url).succeeds();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(connections(&url, &[]), cores.min(4));

    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = Client::connect(&url, NoTls).unwrap();
            // Not for ever, should the audit fail.
            let end = Instant::now() + Duration::from_secs(60);
            while !enough.load(Ordering::Relaxed) && Instant::now() < end {
                writer
                    .batch_execute("CREATE TABLE t (); DROP TABLE t")
                    .unwrap();
            }
        });
        let all = if cores > 4 { 4 } else { cores.max(2) - 1 };
        let used = (connections(&url, &[]), connections(&url, &["--jobs=2"]));
        enough.store(true, Ordering::Relaxed);
        assert_eq!(used, (all, 2));
    });
}

#[test]
fn an_audit_goes_on_where_nobody_may_ask_for_the_position_of_the_log() {
    let server = Throwaway::start(&Options::default()).unwrap();
    let url = server.url("postgres");
    creditdb(["migrate"]).on(&url).succeeds();
    let mut owner = Client::connect(&url, NoTls).unwrap();
    owner
        .batch_execute(
            "CREATE ROLE stranger LOGIN IN ROLE creditdb_auditor;
             REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC",
        )
        .unwrap();
    let stranger = url.replace("postgres@", "stranger@");
    creditdb(["verify", "--area=chain"])
        .on(&stranger)
        .succeeds();
}
