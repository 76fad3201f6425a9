//! What surrounds an audit: settings of the role, the encoding, the locks of others, and a schema
//! that is newer than the program.

use std::thread;
use std::time::{Duration, Instant};

use super::{LEDGER, check, own_check, result, verify_own};
use crate::support::program::creditdb;
use crate::support::server::{Database, EARLIER, NEWEST, server};

#[test]
fn what_a_role_has_set_does_not_change_the_verdict() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let settings = [
        "standard_conforming_strings = off",
        "transform_null_equals = on",
        "statement_timeout = '2s'",
        "lock_timeout = '1ms'",
        "DateStyle = 'SQL, DMY'",
        "search_path = ''",
        "quote_all_identifiers = on",
    ];
    for setting in settings {
        database.execute(&format!("ALTER DATABASE {} SET {setting}", database.name()));
    }
    creditdb(["verify"]).on(&database.url).succeeds();
    // A guard is known by its definition, as the server prints it.
    let guarded = ["verify", "type-domain", "--format", "json"];
    let run = creditdb(guarded).on(&database.url).succeeds();
    assert_eq!(result(&run.json(), "type-domain")["status"], "guarded");
    let slow = "SELECT 'slow' AS subject, NULL AS expected, NULL AS actual, NULL AS difference,
        NULL AS cause, NULL AS detail FROM pg_sleep(2.5)";
    let folder = own_check(check("query", &[], slow));
    let audit = verify_own(&database, &folder, 1);
    assert_eq!(result(&audit, "it")["status"], "violated");
}

#[test]
fn a_database_in_a_narrow_encoding_is_audited() {
    let name = format!("{}_latin", Database::empty().name());
    let mut owner = server().connect("postgres");
    let create = "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
    owner
        .batch_execute(&format!("CREATE DATABASE {name} {create}"))
        .unwrap();
    let url = server().url_of(&name);
    creditdb(["migrate"]).on(&url).succeeds();
    creditdb(["verify"]).on(&url).succeeds();
    owner
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .unwrap();
}

#[test]
fn who_is_in_the_way_of_a_lock_is_named_before_the_deadline_is_long_over() {
    let database = Database::migrated();
    let mut deployer = database.connect();
    let mut locked = deployer.transaction().unwrap();
    let lock = "SET application_name = 'it''s me'; LOCK TABLE public.user_credits";
    locked.batch_execute(lock).unwrap();
    let pid: i32 = locked
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    let started = Instant::now();
    let run = creditdb(["verify", "--deadline=500ms"])
        .on(&database.url)
        .exits(3);
    assert!(started.elapsed() < Duration::from_secs(20));
    for said in [
        "no lock for reading within ",
        &format!("\"public.user_credits\" is locked against reading by pid {pid}, user "),
        "transaction open for ",
        &format!("SELECT * FROM pg_stat_activity WHERE pid = {pid}"),
    ] {
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    locked.rollback().unwrap();
    creditdb(["verify"]).on(&database.url).succeeds();
}

#[test]
fn a_schema_that_is_newer_than_the_program_is_remarked() {
    let database = Database::migrated();
    database.execute(
        "INSERT INTO public.schema_version (version, description) VALUES ('1.99.0', 'newer')",
    );
    let run = creditdb(["verify", "trial-balance"])
        .on(&database.url)
        .succeeds();
    let said = "the schema has version 1.99.0, and this program knows none above ";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

#[test]
fn a_key_that_was_used_as_a_reference_is_not_repeated() {
    let key = "sk-proj-0123456789abcdefghij";
    let database = Database::migrated();
    database.execute(LEDGER);
    database.execute(&format!(
        "SET session_replication_role = replica;
         UPDATE public.credit_transactions SET reference_id = '{key}',
                created_at = now() - interval '1 hour' WHERE transaction_type = 'usage'"
    ));
    for format in ["json", "text"] {
        let run = creditdb(["verify", "--format", format]).on(&database.url);
        let audit = run.exits(1).stdout;
        assert!(audit.contains("log row of request sk-***"), "{audit}");
        assert!(!audit.contains(key), "{audit}");
    }
}

/// What a step adds and a later one validates is no reason to fail an audit in between. Both lists
/// of these constraints are held against the migrations.
#[test]
fn constraints_that_the_upgrade_is_about_to_validate_only_inform() {
    let database = Database::at("1.0.0");
    let mut waiting = 0;
    for version in EARLIER[0].1 + 1..=NEWEST.1 {
        let to = version.to_string();
        creditdb(["migrate", "--to", &to])
            .on(&database.url)
            .succeeds();
        let invalid = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated";
        let mut client = database.connect();
        let due: i64 = client.query_one(invalid, &[]).unwrap().get(0);
        if due == 0 && waiting == 0 {
            continue;
        }
        waiting = due;
        let ids = [
            "verify",
            "constraint-not-valid",
            "constraint-validation-due",
        ];
        let audit = creditdb(ids.into_iter().chain(["--format", "json"]))
            .on(&database.url)
            .succeeds()
            .json();
        let count = |id| result(&audit, id)["violations"].as_i64().unwrap();
        assert_eq!(count("constraint-not-valid"), 0, "V{version}: {audit}");
        assert_eq!(count("constraint-validation-due"), due, "V{version}");
    }
    assert_eq!(waiting, 0);
}

/// While it waits for others, a REINDEX has invalid indexes beside the old ones: the new ones for
/// those who write, the old ones for those who read. What it leaves behind when it is cut off looks
/// the same, but for its locks.
#[test]
fn a_reindex_under_way_is_no_finding_and_its_remains_are_one() {
    let database = Database::migrated();
    let mut lookout = database.connect();
    let remains = "SELECT string_agg(format('DROP INDEX CONCURRENTLY public.%I', relname), ';')
                     FROM pg_class
                    WHERE relname ~ '_cc(new|old)$' AND relnamespace = 'public'::regnamespace";
    let waiting = "SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND query LIKE 'REINDEX %'
                      AND wait_event_type = 'Lock' AND EXISTS (
                          SELECT FROM pg_class WHERE relname = 'idx_llm_usage_log_model_cc$')";
    for (mode, suffix) in [("ROW EXCLUSIVE", "new"), ("ACCESS SHARE", "old")] {
        let mut other = database.connect();
        let lock = format!("BEGIN; LOCK TABLE public.llm_usage_log IN {mode} MODE");
        other.batch_execute(&lock).unwrap();
        let waiting = waiting.replace('$', suffix);
        let reindex = "REINDEX TABLE CONCURRENTLY public.llm_usage_log";
        let mut builder = database.connect();
        let under_way = thread::scope(|scope| {
            let build = scope.spawn(|| builder.batch_execute(reindex));
            let pid: i32 = loop {
                match lookout.query_opt(&waiting, &[]).unwrap() {
                    Some(row) => break row.get(0),
                    None => thread::sleep(Duration::from_millis(10)),
                }
            };
            let verify = creditdb(["verify", "index-invalid"]).on(&database.url);
            let under_way = verify.run();
            lookout
                .execute("SELECT pg_cancel_backend($1)", &[&pid])
                .unwrap();
            assert!(build.join().unwrap().is_err());
            under_way
        });
        assert_eq!(under_way.code, 0, "{mode}: {}", under_way.stdout);
        other.batch_execute("COMMIT").unwrap();
        let verify = creditdb(["verify", "index-invalid", "--format=json"]).on(&database.url);
        let audit = verify.exits(1).json();
        let found = result(&audit, "index-invalid");
        let ours = format!("index public.idx_llm_usage_log_model_cc{suffix}");
        let mut evidence = found["evidence"].as_array().unwrap().iter();
        let ours = evidence.find(|e| e["subject"] == ours.as_str());
        assert_eq!(ours.unwrap()["cause"], "failed-reindex");
        let drop: String = lookout.query_one(remains, &[]).unwrap().get(0);
        for statement in drop.split(';') {
            database.execute(statement);
        }
        creditdb(["verify", "index-invalid"])
            .on(&database.url)
            .succeeds();
        creditdb(["drift"]).on(&database.url).succeeds();
    }
}
