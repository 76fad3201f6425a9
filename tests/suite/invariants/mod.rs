//! The audit, through the real program.

mod canary;
mod catalogue;
mod crew;
mod damage;
mod guards;
mod live;
mod memory;
mod mutation;
mod naive;
mod neighbours;
mod output;
mod remedies;
mod reused;
mod settings;
mod settlements;
mod skew;
mod state;
mod surroundings;
mod suspects;
mod trust;
mod upgrades;

use jiff::{Span, Timestamp};
use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::server::Database;

/// A check file with a kind, further header lines for some keys, and a body.
fn check(kind: &str, changes: &[(&str, &str)], body: &str) -> String {
    let mut keys = vec![
        ("title", "what must hold"),
        ("kind", kind),
        ("scope", "user"),
        ("severity", "error"),
        ("since", "1.0.0"),
        ("guarded_by", "nothing: it is a test"),
        ("why", "it is a test"),
        ("remedy", "do something"),
    ];
    if kind == "row" {
        keys.insert(2, ("table", "credit_transactions"));
        keys.extend([("expected", "'none'"), ("actual", "amount")]);
    }
    for (key, value) in changes {
        match keys.iter_mut().find(|(known, _)| known == key) {
            Some(entry) => entry.1 = value,
            // The order of keys is part of the contract.
            None if *key == "table" => keys.insert(2, (key, value)),
            None => keys.push((key, value)),
        }
    }
    let header = keys
        .iter()
        .map(|(key, value)| format!("-- {key}: {value}\n"));
    header.collect::<String>() + "\n" + body
}

/// A folder with one check, `own/it.sql`.
fn own_check(text: impl AsRef<[u8]>) -> Folder {
    Folder::with(&[("own/it.sql", text)])
}

/// Runs checks of a folder, the area `own` only, with JSON output.
fn verify_own(database: &Database, folder: &Folder, code: i32) -> Value {
    let arguments = [
        "verify",
        "--area",
        "own",
        "--checks",
        folder.arg(),
        "--format",
        "json",
    ];
    creditdb(arguments).on(&database.url).exits(code).json()
}

/// The result of a check.
fn result<'a>(audit: &'a Value, id: &str) -> &'a Value {
    let checks = audit["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["id"] == id)
        .unwrap_or_else(|| panic!("no check \"{id}\" in {audit}"))
}

/// What an audit has printed, without what differs between two audits of the same rows: when it
/// was, which snapshot that is, how long it took, and the limit of the clock that it names in its
/// evidence.
fn without_times(run: &Run) -> String {
    let audit = run.json();
    let at: Timestamp = audit["snapshot"]["taken_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let limit = at + Span::new().minutes(5);
    [
        (limit.strftime("%F %T%.f+00").to_string(), "5 minutes later"),
        (audit["snapshot"]["taken_at"].to_string(), "now"),
        (audit["snapshot"]["id"].to_string(), "a snapshot"),
        (
            format!("\"elapsed_ms\": {}", audit["elapsed_ms"]),
            "a while",
        ),
    ]
    .iter()
    .fold(run.stdout.clone(), |text, (time, word)| {
        text.replace(time, word)
    })
}

/// Requires words in what was printed to stderr.
fn assert_says(run: &Run, words: &[&str]) {
    for word in words {
        assert!(
            run.stderr.contains(word),
            "no \"{word}\" in:\n{}",
            run.stderr
        );
    }
}

/// A user with a purchase of 100 and a usage of 10 credits.
const LEDGER: &str = "
    SELECT public.add_user_credits('00000000-0000-4000-8000-000000000001', 100, 'purchase',
                                   'pay_1', NULL);
    SELECT public.debit_user_credits('00000000-0000-4000-8000-000000000001', 10, 'usage',
                                     'req_1', NULL);";
