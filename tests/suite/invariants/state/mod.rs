//! Incremental audits: the second night reads what is new, and what was sealed stays as it was.

mod cycles;
mod damage;
mod history;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Instant;

use serde_json::Value;

use super::{assert_says, check, result};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb, signal};
use crate::support::server::Database;

/// Three users with purchases and requests. Rows younger than a quarter of an hour are not sealed,
/// so all of it is an hour old.
const YESTERDAY: &str = "
    SET session_replication_role = replica;
    SELECT public.add_user_credits(('00000000-0000-4000-8000-00000000000' || u)::uuid, 100,
                                   'purchase', 'pay_000' || u, NULL)
      FROM generate_series(1, 3) AS u;
    SELECT public.record_llm_request(('00000000-0000-4000-8000-00000000000' || u)::uuid,
                                     'req_0000' || u || n, 'gpt-4', 'openai', 'balanced', 100, 20,
                                     0.5, 900)
      FROM generate_series(1, 3) AS u, generate_series(1, 5) AS n;
    UPDATE public.user_credits SET billing_cycle_start = now() - interval '1 day';
    UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour';
    UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour';
    SET session_replication_role = origin;";

/// So many requests of the second user.
fn requests(name: &str, number: u32) -> String {
    format!(
        "SELECT public.record_llm_request('00000000-0000-4000-8000-000000000002',
                                          'req_{name}_' || n, 'gpt-4', 'openai', 'balanced', 100,
                                          20, 0.25, 900) FROM generate_series(1, {number}) AS n;"
    )
}

/// A ledger and the file of its state.
struct Night {
    database: Database,
    folder: Folder,
}

impl Night {
    fn new() -> Self {
        let database = Database::migrated();
        database.execute(YESTERDAY);
        Self {
            database,
            folder: Folder::with::<&str>(&[]),
        }
    }

    /// With a state of everything.
    fn sealed() -> Self {
        let night = Self::new();
        let first = night.audit(&[], 0);
        assert_eq!(first["state"]["mode"], "full");
        assert_eq!(night.ids(&first), (18, 15));
        night
    }

    fn state(&self) -> String {
        format!("--state={}/it.state", self.folder.arg())
    }

    fn run(&self, more: &[&str]) -> Run {
        let arguments = ["verify", "--format=json", &self.state()];
        let run = creditdb(arguments).args(more);
        run.on(&self.database.url).run()
    }

    fn audit(&self, more: &[&str], code: i32) -> Value {
        let run = self.run(more);
        assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
        run.json()
    }

    /// Up to where entries and log rows are sealed.
    fn ids(&self, audit: &Value) -> (i64, i64) {
        let id = |table: &str| audit["state"]["sealed"][table].as_i64().unwrap_or_default();
        (id("credit_transactions"), id("llm_usage_log"))
    }

    /// As the owner who has switched the guards off.
    fn damage(&self, sql: &str) {
        self.database
            .execute(&format!("SET session_replication_role = replica; {sql}"));
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("it.state")).unwrap()
    }
}

/// Ids of the checks that are violated.
fn violated(audit: &Value) -> Vec<&str> {
    let checks = audit["checks"].as_array().unwrap().iter();
    let violated = checks.filter(|check| check["status"] == "violated");
    violated
        .map(|check| check["id"].as_str().unwrap())
        .collect()
}

#[test]
fn the_second_audit_reads_what_is_new_and_seals_what_is_old_enough() {
    let night = Night::sealed();
    let mode = night.folder.path().join("it.state").metadata().unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    night.database.execute(&requests("new", 4));
    let second = night.audit(&[], 0);
    assert_eq!(second["state"]["mode"], "incremental", "{second}");
    assert_eq!(second["state"]["reason"], Value::Null);
    // Too young, as the checks of log against ledger do not judge them yet.
    assert_eq!(night.ids(&second), (18, 15));
    assert_eq!(result(&second, "sealed-history")["status"], "skipped");

    night.damage(
        "UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour'
          WHERE id > 18;
         UPDATE public.llm_usage_log SET created_at = created_at - interval '1 hour'
          WHERE id > 15;",
    );
    let third = night.audit(&["--jobs=3"], 0);
    assert_eq!(third["state"]["mode"], "incremental");
    assert_eq!(night.ids(&third), (22, 19));
    assert_eq!(third["state"]["full_at"], second["state"]["full_at"]);
    // Sums that went on from night to night are those of all rows at once.
    let full = night.audit(&["--full", "--jobs=3"], 0);
    assert_eq!(result(&full, "sealed-history")["status"], "holds");
    assert_eq!(night.ids(&full), (22, 19));
    let again = night.audit(&[], 0);
    assert_eq!(again["state"]["mode"], "incremental");
}

#[test]
fn rows_that_come_late_are_neither_missed_nor_counted_twice() {
    let night = Night::sealed();
    let purchase = |user: u32| {
        format!(
            "SELECT public.add_user_credits('00000000-0000-4000-8000-00000000000{user}', 7,
                                            'bonus', 'late_' || clock_timestamp(), NULL);
             UPDATE public.credit_transactions SET created_at = created_at - interval '1 hour'
              WHERE id > 18 AND user_id::text LIKE '%{user}'"
        )
    };
    let open = |user| {
        let mut client = night.database.connect();
        let begin = "SET session_replication_role = replica; BEGIN;";
        client
            .batch_execute(&format!("{begin} {}", purchase(user)))
            .unwrap();
        client
    };
    let mut first = open(1);
    night.damage(&purchase(2));
    // Entry 19 may still come, entry 20 is there.
    let waits = night.audit(&[], 0);
    assert_eq!(waits["state"]["mode"], "incremental");
    assert_eq!(night.ids(&waits), (18, 15));
    assert_eq!(waits["state"]["held_up"][0], "credit_transactions");

    let mut second = open(3);
    first.batch_execute("COMMIT").unwrap();
    // All who could bring 20 or less are gone; whoever brings 21 is not.
    let candidate = night.audit(&[], 0);
    assert_eq!(candidate["state"]["mode"], "incremental", "{candidate}");
    assert_eq!(night.ids(&candidate), (20, 15));

    second.batch_execute("COMMIT").unwrap();
    let last = night.audit(&[], 0);
    assert_eq!(last["state"]["mode"], "incremental", "{last}");
    assert_eq!(night.ids(&last), (21, 15));
    assert_eq!(last["state"]["held_up"], Value::Array(Vec::new()));
    let full = night.audit(&["--full"], 0);
    assert_eq!(result(&full, "sealed-history")["status"], "holds");
}

#[test]
fn a_state_that_does_not_fit_is_refused_or_said_aloud() {
    let night = Night::sealed();
    let other = Night {
        database: night.database.copy(),
        folder: Folder::with(&[("it.state", night.text())]),
    };
    let run = other.run(&[]);
    assert_eq!(run.code, 2);
    let names = [night.database.name(), other.database.name()];
    assert_says(
        &run,
        &[
            "is of another database",
            names[0],
            names[1],
            "begin anew: mv ",
        ],
    );

    let written = night.text();
    let with = |text: &str| {
        night.folder.write("it.state", text);
        let run = night.run(&[]);
        night.folder.write("it.state", &written);
        run
    };
    let newer = with(&written.replace("\"format\":3", "\"format\":9"));
    assert_eq!(newer.code, 2);
    assert_says(&newer, &["has format 9", "this one knows format 3"]);
    let older = with(&written.replace("\"format\":3", "\"format\":0"));
    let reason = older.json()["state"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("has format 0"), "{reason}");
    for damaged in [
        &written[..300],
        &written.replace("\"rows\":18", "\"rows\":17"),
    ] {
        let run = with(damaged);
        assert_eq!(run.code, 3, "{}", run.stdout);
        assert_says(&run, &["is damaged", "mv '"]);
    }
    let nowhere = creditdb(["verify", "--state=/nowhere/at/all"]).on(&night.database.url);
    assert_says(&nowhere.exits(2), &["there is no folder \"/nowhere/at\""]);
}

/// `current` on a disk with room: the state is where the link leads, from the first night on.
#[test]
fn a_link_to_a_state_stays_a_link() {
    let night = Night::new();
    let path = |name: &str| night.folder.path().join(name);
    symlink("disk/real.state", path("it.state")).unwrap();
    let run = night.run(&[]);
    let words = format!("there is no folder \"{}/disk\"", night.folder.arg());
    assert_says(&run, &[&words]);
    assert_eq!(run.code, 2);
    fs::create_dir(path("disk")).unwrap();
    for mode in ["full", "incremental"] {
        assert_eq!(night.audit(&[], 0)["state"]["mode"], mode);
        assert!(path("it.state").is_symlink());
        assert!(path("disk/real.state").is_file());
    }
}

#[test]
fn what_happened_to_the_database_in_between_is_said_aloud() {
    let night = Night::sealed();
    let reason = |audit: &Value| audit["state"]["reason"].as_str().unwrap().to_owned();
    // A part of the catalogue is compared, and seals nothing.
    let before = night.text();
    let part = night.audit(&["sealed-history"], 0);
    assert_eq!(result(&part, "sealed-history")["status"], "holds");
    assert_eq!(reason(&part), "only some checks were asked for");
    assert_eq!(night.text(), before);

    night.damage("SELECT setval('public.llm_usage_log_id_seq', 9)");
    let back = night.audit(&[], 1);
    assert!(
        reason(&back).contains("stands at 9, and 15 was sealed"),
        "{back}"
    );
    assert_eq!(night.text(), before);
    night.damage(
        "SELECT setval('public.llm_usage_log_id_seq', 15);
         ALTER SEQUENCE public.llm_usage_log_id_seq CACHE 5",
    );
    let cached = night.audit(&[], 0);
    assert_eq!(cached["state"]["mode"], "incremental");
    let kept = cached["state"]["kept"].as_str().unwrap();
    assert!(
        kept.contains("\"llm_usage_log_id_seq\" keeps ids back"),
        "{kept}"
    );
    night.damage("ALTER SEQUENCE public.llm_usage_log_id_seq CACHE 1");

    // The log forgets its oldest rows.
    night.damage("DELETE FROM public.llm_usage_log WHERE id < 4");
    let forgot = night.audit(&["--full"], 0);
    assert_eq!(result(&forgot, "sealed-history")["status"], "holds");
    night.damage("UPDATE public.llm_usage_log SET model = 'other' WHERE id = 9");
    assert_eq!(violated(&night.audit(&["--full"], 1)), ["sealed-history"]);
}

#[test]
fn whenever_it_is_killed_there_is_the_old_state_or_the_new_one() {
    let night = Night::sealed();
    let state = night.state();
    let started = Instant::now();
    night.audit(&["--jobs=1"], 0);
    let takes = started.elapsed();
    for part in 0..3 {
        let running = creditdb(["verify", "--jobs=1", &state]).on(&night.database.url);
        let mut running = running.spawn();
        // Around the end, where the file is written.
        std::thread::sleep(takes.mul_f64(0.75 + 0.1 * f64::from(part)));
        signal(&running, "KILL");
        running.wait().unwrap();
        let next = night.audit(&["--jobs=1"], 0);
        assert_eq!(next["state"]["mode"], "incremental");
    }
}

#[test]
fn own_checks_are_evaluated_whole_until_they_were_silent() {
    let night = Night::sealed();
    let row = check("row", &[], "amount = 100");
    let asks = check(
        "row",
        &[],
        "amount > 99 AND created_at < now() - interval '1 day'",
    );
    let own = Folder::with(&[("own/a.sql", row), ("own/b.sql", asks)]);
    let arguments = ["--checks", own.arg()];
    // Nobody asked when the rows were sealed.
    let found = night.audit(&arguments, 1);
    assert_eq!(found["state"]["mode"], "incremental");
    assert_eq!(result(&found, "a")["violations"], 3);
    own.write("own/a.sql", check("row", &[], "amount = 101"));
    assert_eq!(violated(&night.audit(&arguments, 0)), [""; 0]);
    // Another check under the old name is another check.
    own.write("own/a.sql", check("row", &[], "amount = 100"));
    assert_eq!(violated(&night.audit(&arguments, 1)), ["a"]);
    // Time alone can change what this one says.
    own.remove("own/a.sql");
    night.audit(&arguments, 0);
    night.damage(
        "UPDATE public.credit_transactions SET created_at = created_at - interval '2 days'
          WHERE id = 1",
    );
    assert_eq!(violated(&night.audit(&arguments, 1)), ["b"]);
}
