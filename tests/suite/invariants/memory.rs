//! However much there is to find, the program holds no more than it shows.
#![cfg(target_os = "linux")]

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use super::{check, own_check};
use crate::support::program::creditdb;
use crate::support::server::Database;

/// What an audit may hold at most, at any size of the tables.
const LIMIT_MB: u64 = 64;

/// More findings than would fit, each some hundred bytes.
const MANY: &str = "SELECT 'finding ' || n AS subject, repeat('e', 100) AS expected,
    repeat('a', 100) AS actual, n::numeric AS difference, 'cause' AS cause,
    repeat('d', 100) AS detail FROM generate_series(1, 120000) AS n";

#[test]
fn an_audit_with_very_many_findings_stays_small() {
    let database = Database::migrated();
    // A chain whose every entry breaks.
    database.execute(
        "SET session_replication_role = replica;
         INSERT INTO public.user_credits (user_id, balance, last_entry_seq)
         VALUES ('00000000-0000-4000-8000-000000000001', 60000, 60000);
         INSERT INTO public.credit_transactions
                (user_id, entry_seq, transaction_type, amount, balance_after)
         SELECT '00000000-0000-4000-8000-000000000001', n, 'bonus', 2, n
           FROM generate_series(1, 60000) AS n",
    );
    let folder = own_check(check("query", &[], MANY));
    let arguments = ["verify", "it", "chain-continuity", "--checks", folder.arg()];
    let mut child = creditdb(arguments)
        .args(["--jobs=2"])
        .on(&database.url)
        .spawn();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(kb.unwrap_or(0));
        sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for number in ["120000", "60000"] {
        assert!(said.contains(number), "no {number} in {said}");
    }
    assert!(most > 0, "the process was never seen");
    assert!(
        most < LIMIT_MB * 1024,
        "{} MB, {LIMIT_MB} allowed",
        most / 1024
    );
}
