//! No miss and no false alarm: correct ledgers are damaged at random places, and the audit must
//! find exactly what a model in plain Rust predicts, each row by its name, and nothing else.
//!
//! `CREDITDB_MUTATIONS` says how many damages are planted in all: the gate asks for 200 on one
//! major, and 2000 is the long mode. A failure prints its seed: `CREDITDB_MUTATION_SEED` runs that
//! one ledger again (with `CREDITDB_MUTATIONS`, it is the first), and `CREDITDB_MUTATION_DAMAGES`
//! plants fewer of its damages.

mod change;
mod ledger;
mod number;
mod objects;
mod operators;
mod predict;
mod predict_references;
mod predict_rows;
mod predict_users;
mod store;

use std::sync::atomic::{AtomicU64, Ordering};
use std::{panic, thread};

use fastrand::Rng;
use serde_json::Value;

use self::ledger::Ledger;
use self::operators::{Damage, OPERATORS};
use self::predict::Findings;
use super::{naive, without_times};
use crate::support::program::creditdb;
use crate::support::server::{Database, NEWEST, server};

/// Damages in one ledger. They may meet, and the model knows what comes of it.
const DAMAGES: usize = 5;

/// Connections of an audit.
const JOBS: [&str; 3] = ["1", "2", "8"];

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
    )
}

#[test]
fn the_audit_finds_what_was_damaged_and_nothing_else() {
    let damages = variable("CREDITDB_MUTATIONS");
    let first = variable("CREDITDB_MUTATION_SEED");
    let rounds = match (damages, first) {
        (None, Some(_)) => 1,
        _ => damages.unwrap_or(20).div_ceil(DAMAGES as u64),
    };
    let next = AtomicU64::new(0);
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut failures = Vec::new();
                    loop {
                        let round = next.fetch_add(1, Ordering::Relaxed);
                        if round >= rounds {
                            return failures;
                        }
                        failures.extend(failure_of(first.unwrap_or(0) + round));
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    let (number, shown) = (
        failures.len(),
        failures.into_iter().take(5).collect::<Vec<_>>(),
    );
    assert!(
        number == 0,
        "{number} of {rounds} ledgers:\n{}",
        shown.join("\n")
    );
}

/// A panic names the seed, too. Whoever runs the long mode with `--nocapture` reads it at once.
fn failure_of(seed: u64) -> Option<String> {
    let tried = panic::catch_unwind(|| try_seed(seed));
    let told = tried.unwrap_or_else(|_| Err(format!("seed {seed}: see its panic above")));
    let failure = told.err()?;
    eprintln!("{failure}");
    Some(failure)
}

/// Damages the ledger of a seed. Every seventh is left as it is: there must be nothing to find.
fn try_seed(seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let schema = if rng.bool() { "1.0.0" } else { NEWEST.0 };
    let now: i64 = server()
        .connect("postgres")
        .query_one(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
            &[],
        )
        .unwrap()
        .get(0);
    let mut ledger = Ledger::correct(&mut rng, now, schema != "1.0.0");
    let untouched = predict_rows::predict(&ledger);
    if !untouched.is_empty() {
        return Err(format!(
            "seed {seed}: the model finds fault with a correct ledger: {untouched:?}"
        ));
    }
    let limit = variable("CREDITDB_MUTATION_DAMAGES").unwrap_or(DAMAGES as u64);
    let damages = if seed % 7 == 6 {
        Vec::new()
    } else {
        plant(&mut ledger, &mut rng, limit)
    };

    let database = Database::at(schema);
    let mut client = database.connect();
    for ddl in damages.iter().flat_map(|(_, damage)| &damage.ddl) {
        client
            .batch_execute(ddl)
            .unwrap_or_else(|e| panic!("seed {seed}: {e:?}\n{ddl}"));
    }
    store::write(&ledger, &mut client);
    let mut expected = predict_rows::predict(&ledger);
    for (check, subject) in damages.iter().flat_map(|(_, damage)| &damage.found) {
        let subjects = expected.entry((*check).to_owned()).or_default();
        subjects.push(subject.clone());
    }
    let found = audit(&database, rng.bool(), JOBS[rng.usize(0..JOBS.len())]);
    if seed.is_multiple_of(8) {
        assert_same_bytes(&database, seed);
    }
    let mut disagreements = naive::disagreements(&mut client, ledger.numbered, |check| {
        found.contains_key(check)
    });
    let unseen = |index: &&str| !drift(&database).contains(*index);
    let dropped = damages.iter().filter_map(|(_, damage)| damage.drift);
    disagreements.extend(
        dropped
            .filter(unseen)
            .map(|index| format!("  drift: {index}")),
    );
    if found == expected && disagreements.is_empty() {
        return Ok(());
    }
    let done: Vec<String> = damages
        .iter()
        .map(|(name, damage)| format!("{name} ({})", damage.what))
        .collect();
    Err(format!(
        "seed {seed}, schema {schema}, {}:\n{}{}",
        done.join(", "),
        difference(&expected, &found),
        disagreements.join("\n")
    ))
}

fn plant(ledger: &mut Ledger, rng: &mut Rng, limit: u64) -> Vec<(&'static str, Damage)> {
    let mut damages: Vec<(&str, Damage)> = Vec::new();
    while damages.len() < DAMAGES {
        let (name, operator) = OPERATORS[rng.usize(0..OPERATORS.len())];
        let is_repeated =
            |(known, damage): &(&str, Damage)| *known == name && damage.is_of_schema();
        if damages.iter().any(is_repeated) {
            continue;
        }
        if damages.len() as u64 >= limit {
            break;
        }
        damages.extend(operator(ledger, rng).map(|damage| (name, damage)));
    }
    damages
}

/// What `creditdb verify` finds, subjects by check.
fn audit(database: &Database, distrust: bool, jobs: &str) -> Findings {
    let arguments = ["verify", "--format", "json", "--evidence", "100000"];
    let run = creditdb(arguments.iter().chain(distrust.then_some(&"--distrust")))
        .args(["--jobs", jobs])
        .on(&database.url)
        .run();
    assert!(
        run.code < 2,
        "exit {}: {}{}",
        run.code,
        run.stdout,
        run.stderr
    );
    let audit = run.json();
    let violated =
        (audit["checks"].as_array().unwrap().iter()).filter(|check| check["status"] == "violated");
    violated
        .map(|check| {
            let evidence = check["evidence"].as_array().unwrap();
            assert_eq!(check["violations"], evidence.len(), "{check}");
            let subject = |e: &Value| e["subject"].as_str().unwrap().to_owned();
            let mut subjects: Vec<String> = evidence.iter().map(subject).collect();
            subjects.sort();
            (check["id"].as_str().unwrap().to_owned(), subjects)
        })
        .collect()
}

/// What `creditdb drift` says.
fn drift(database: &Database) -> String {
    creditdb(["drift"]).on(&database.url).exits(1).stdout
}

/// What is printed does not depend on the number of connections, times aside.
fn assert_same_bytes(database: &Database, seed: u64) {
    let texts = JOBS.map(|jobs| {
        let arguments = ["verify", "--format", "json", "--evidence", "3", "--jobs"];
        let run = creditdb(arguments).args([jobs]).on(&database.url).run();
        without_times(&run)
    });
    assert_eq!(texts[0], texts[1], "seed {seed}: one job and two");
    assert_eq!(texts[0], texts[2], "seed {seed}: one job and eight");
}

/// One line for each subject that is on one side only.
fn difference(expected: &Findings, found: &Findings) -> String {
    let lines = |all: &Findings| -> Vec<String> {
        let line = |(check, subjects): (&String, &Vec<String>)| {
            subjects
                .iter()
                .map(|s| format!("{check}: {s}"))
                .collect::<Vec<_>>()
        };
        all.iter().flat_map(line).collect()
    };
    let (mut expected, mut found) = (lines(expected), lines(found));
    expected.retain(|line| {
        let place = found.iter().position(|other| other == line);
        place.map(|at| found.remove(at)).is_none()
    });
    let missed = expected.iter().map(|line| format!("  missed {line}"));
    let alarms = found.iter().map(|line| format!("  false alarm {line}"));
    missed.chain(alarms).collect::<Vec<_>>().join("\n")
}
