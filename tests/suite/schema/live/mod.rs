//! Each upgrade on a database that a gateway uses without pause: nobody waits long, whatever was
//! answered is so, and nothing else is. `CREDITDB_LIVE_ENTRIES=1000000` is the long mode: so many
//! entries, on a server of its own that is durable.

mod gateway;
mod locks;

use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use creditdb::db::throwaway::{Options, Throwaway};
use postgres::{Client, Config, NoTls};

use self::gateway::{Booked, Logged, Told, Traffic, Users};
use super::value;
use crate::support::program::{Run, creditdb};
use crate::support::server::{Database, EARLIER, NEWEST};
use crate::support::wait_until;

/// Connections of the gateway.
const CONNECTIONS: u64 = 8;

/// No call may take longer: the 2 s for which a statement of ours waits for a lock at most, and the
/// call behind it.
const LONGEST_CALL: Duration = Duration::from_millis(2500);

/// One at a time: two of these measure each other.
static ALONE: Mutex<()> = Mutex::new(());

/// A filled database of a given version.
struct Ledger {
    url: String,
    /// Dropped with it.
    _own: (Option<Database>, Option<Throwaway>),
}

impl Ledger {
    fn at(schema: &str) -> Self {
        let entries = std::env::var("CREDITDB_LIVE_ENTRIES").ok();
        let ledger = match &entries {
            None => {
                let database = Database::at(schema);
                let url = database.url.clone();
                let _own = (Some(database), None);
                Self { url, _own }
            }
            Some(_) => {
                let server = Throwaway::start(&Options {
                    durable: true,
                    ..Options::default()
                })
                .unwrap();
                let url = server.url("postgres");
                let (_, to) = *EARLIER.iter().find(|(known, _)| *known == schema).unwrap();
                creditdb(["migrate".to_owned(), format!("--to={to}")])
                    .on(&url)
                    .succeeds();
                let _own = (None, Some(server));
                Self { url, _own }
            }
        };
        let entries: u64 = entries.map_or(8_000, |n| {
            n.parse().expect("CREDITDB_LIVE_ENTRIES is a number")
        });
        // A sample has a few entries less than requests.
        let size = [
            ("users", entries / 40),
            ("requests", entries + entries / 20),
        ];
        let size = size.map(|(name, n)| format!("--{name}={n}"));
        let ends = ["sample", "--until", "now"].map(str::to_owned);
        creditdb(ends.into_iter().chain(size))
            .on(&ledger.url)
            .succeeds();
        ledger
    }

    fn connect(&self) -> Client {
        let config: Config = self.url.parse().unwrap();
        config.connect(NoTls).unwrap()
    }

    fn users(&self) -> Users {
        let query = "SELECT user_id, tier <> 'enterprise' FROM user_credits ORDER BY user_id";
        let rows = self.connect().query(query, &[]).unwrap();
        let limited = rows.iter().filter(|row| row.get(1));
        Users {
            limited: limited.map(|row| row.get(0)).collect(),
            all: rows.iter().map(|row| row.get(0)).collect(),
        }
    }

    fn migrate(&self, to: u32) -> Child {
        creditdb(["migrate".to_owned(), format!("--to={to}")])
            .on(&self.url)
            .spawn()
    }
}

/// The migration that records the version after a given one.
fn next(schema: &str) -> (&'static str, u32) {
    let mut versions = EARLIER.into_iter().chain([NEWEST]);
    versions.find(|(known, _)| *known == schema).unwrap();
    versions.next().unwrap()
}

fn succeeded(child: Child) -> Run {
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    run
}

/// Ends all threads of a test, also when it fails: they would go on for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Upgrades under traffic, in the way that is given, and looks at all that came of it.
fn upgrade(from: &str, how: impl FnOnce(&Ledger, u32)) {
    let alone = ALONE.lock();
    let (schema, to) = next(from);
    let ledger = Ledger::at(from);
    let users = ledger.users();
    let traffic = Traffic::default();
    let mut told = Told::default();
    let (took, seen) = thread::scope(|scope| {
        let at_end = Stop(&traffic.stop);
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let (client, users, traffic) = (ledger.connect(), &users, &traffic);
                scope.spawn(move || gateway::connection(client, from, number, users, traffic))
            })
            .collect();
        let mut looking = ledger.connect();
        let stop = &traffic.stop;
        let looks = scope.spawn(move || locks::watch(&mut looking, stop));
        traffic.wait_for(200);
        let started = Instant::now();
        how(&ledger, to);
        let took = started.elapsed();
        traffic.wait_for(200);
        drop(at_end);
        for connection in connections {
            told.add(connection.join().unwrap());
        }
        (took, looks.join().unwrap())
    });
    eprintln!(
        "{from} to {schema} in {took:.1?}: {} calls, the longest {:.0?} ({}); longest ACCESS \
         EXCLUSIVE locks, of {} looks: {:.0?}",
        told.calls, told.longest.0, told.longest.1, seen.looks, seen.longest
    );
    drop(alone);
    assert!(told.errors.is_empty(), "{:#?}", told.errors);
    assert!(told.without_effect > 0 && seen.looks > 10);
    check(&ledger, told);
}

/// What is there is what the calls said, and the audit finds nothing.
fn check(ledger: &Ledger, mut told: Told) {
    let mut client = ledger.connect();
    let query = "SELECT reference_id, user_id, amount, id FROM credit_transactions
                  WHERE reference_id LIKE 'live\\_%' ORDER BY 1, 4";
    let rows = client.query(query, &[]).unwrap();
    let entries: Vec<Booked> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    told.booked.sort();
    assert!(
        entries == told.booked,
        "{}",
        first_difference(&entries, &told.booked)
    );
    let query = "SELECT request_id, user_id, success, credits_used FROM llm_usage_log
                  WHERE request_id LIKE 'live\\_%' ORDER BY 1, 2";
    let rows = client.query(query, &[]).unwrap();
    let logged: Vec<Logged> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    told.logged.sort();
    assert!(
        logged == told.logged,
        "{}",
        first_difference(&logged, &told.logged)
    );
    assert!(told.longest.0 < LONGEST_CALL, "{:?}", told.longest);
    creditdb(["verify"]).on(&ledger.url).succeeds();
}

fn first_difference<T: PartialEq + std::fmt::Debug>(found: &[T], told: &[T]) -> String {
    let place = found.iter().zip(told).position(|(a, b)| a != b);
    let place = place.unwrap_or(found.len().min(told.len()));
    format!(
        "found {:?}, told {:?}; {} and {} in all",
        found.get(place),
        told.get(place),
        found.len(),
        told.len()
    )
}

fn at_once(ledger: &Ledger, to: u32) {
    succeeded(ledger.migrate(to));
}

#[test]
fn the_upgrade_to_1_1_0_holds_nobody_up() {
    upgrade("1.0.0", at_once);
}

#[test]
fn the_upgrade_to_1_2_0_holds_nobody_up() {
    upgrade("1.1.0", at_once);
}

#[test]
fn the_upgrade_to_1_3_0_holds_nobody_up() {
    upgrade("1.2.0", at_once);
}

#[test]
fn the_upgrade_to_1_3_1_holds_nobody_up() {
    upgrade("1.3.0", at_once);
}

/// The row of one user, whom the gateway does not know, is held, so that the back-fill cannot be
/// done before the deployer is killed.
#[test]
fn a_backfill_that_is_killed_is_resumed() {
    upgrade("1.0.0", |ledger, to| {
        let mut client = ledger.connect();
        let mut holder = ledger.connect();
        holder
            .batch_execute(
                "SELECT add_user_credits('ffffffff-ffff-4fff-bfff-ffffffffffff', 1, 'bonus', 'held',
                                         'before the upgrade')",
            )
            .unwrap();
        let newest_old: i64 = value(&mut client, "SELECT max(id) FROM credit_transactions");
        // Before the back-fill, because the files before it need the tables.
        succeeded(ledger.migrate(10));
        let mut held = holder.transaction().unwrap();
        held.batch_execute(
            "SELECT FROM user_credits WHERE user_id = 'ffffffff-ffff-4fff-bfff-ffffffffffff'
                FOR UPDATE",
        )
        .unwrap();
        let mut deployer = ledger.migrate(to);
        let numbered = format!(
            "SELECT EXISTS (SELECT FROM credit_transactions
                             WHERE id <= {newest_old} AND entry_seq IS NOT NULL)"
        );
        wait_until("some entries have numbers", || {
            value(&mut client, &numbered)
        });
        deployer.kill().unwrap();
        deployer.wait().unwrap();
        held.commit().unwrap();
        // It finishes the statement it is at before it notices, and holds the lock as long.
        let at_work = "SELECT EXISTS (SELECT FROM pg_stat_activity
                         WHERE datname = current_database() AND application_name = 'creditdb')";
        wait_until("the session of the deployer has ended", || {
            !value::<bool>(&mut client, at_work)
        });
        creditdb(["status"]).on(&ledger.url).exits(6);
        let left = "SELECT count(*) FROM credit_transactions WHERE entry_seq IS NULL";
        let left: i64 = value(&mut client, left);
        assert!(left > 0, "the back-fill was done");
        succeeded(ledger.migrate(to));
    });
}
