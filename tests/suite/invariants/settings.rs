//! Settings of the server: where one comes from decides what takes it back, and who may see that.

use std::fs;

use creditdb::db::throwaway::{Options, Throwaway};
use serde_json::Value;

use super::result;
use crate::support::program::creditdb;
use crate::support::wait_until;

/// A server that must keep what it has confirmed, with settings of its command line.
fn server(settings: &[(&str, &str)]) -> Throwaway {
    let settings = settings
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    let server = Throwaway::start(&Options {
        settings: settings.collect(),
        durable: true,
        ..Options::default()
    });
    let server = server.unwrap();
    creditdb(["migrate"]).on(&server.url("postgres")).succeeds();
    execute(
        &server,
        "CREATE ROLE night LOGIN; GRANT creditdb_auditor TO night",
    );
    server
}

fn execute(server: &Throwaway, sql: &str) {
    let mut client = server.target("postgres").unwrap().connect().unwrap();
    // One by one: ALTER SYSTEM stands in no transaction.
    for statement in sql.split("; ") {
        client.batch_execute(statement).unwrap();
    }
}

/// Adds a line to postgresql.conf.
fn configure(server: &Throwaway, line: &str) {
    let file = server.folder().join("data/postgresql.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n{line}\n")).unwrap();
}

/// Reads the configuration again, until a new session has what it says.
fn reload(server: &Throwaway, setting: &str, value: &str) {
    execute(server, "SELECT pg_reload_conf()");
    let show = format!("SHOW {setting}");
    wait_until("the configuration to be read", || {
        let mut client = server.target("postgres").unwrap().connect().unwrap();
        client.query_one(&show, &[]).unwrap().get::<_, String>(0) == value
    });
}

/// The evidence of a check, as a role sees it.
fn evidence(server: &Throwaway, role: &str, check: &str, options: &str) -> Vec<Value> {
    let url = server
        .url("postgres")
        .replacen("postgres@", &format!("{role}@"), 1);
    let run = creditdb(["verify", check, "--format", "json"])
        .env("PGOPTIONS", options)
        .on(&url)
        .run();
    let audit = run.json();
    assert_ne!(audit["verdict"], "incomplete", "{audit}");
    let found = result(&audit, check)["evidence"].as_array().unwrap();
    found.clone()
}

fn detail(evidence: &[Value], subject: &str) -> String {
    let found = evidence.iter().find(|found| found["subject"] == subject);
    let found = found.unwrap_or_else(|| panic!("no {subject}: {evidence:?}"));
    found["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_setting_is_taken_back_where_it_comes_from() {
    let server = server(&[("ignore_checksum_failure", "on")]);
    configure(&server, "full_page_writes = off");
    execute(
        &server,
        "ALTER SYSTEM SET zero_damaged_pages = on; ALTER ROLE night SET work_mem = '4MB'",
    );
    reload(&server, "zero_damaged_pages", "on");
    let found = evidence(&server, "postgres", "durability-settings", "");
    let says = |subject: &str, words: &[&str]| {
        let detail = detail(&found, subject);
        for words in words {
            assert!(detail.contains(words), "{detail}");
        }
        detail
    };
    says(
        "setting ignore_checksum_failure",
        &["by the command line", "restart it"],
    );
    let file = says(
        "setting full_page_writes",
        &["/data/postgresql.conf, line "],
    );
    assert!(!file.contains("ALTER SYSTEM"), "{file}");
    says(
        "setting zero_damaged_pages",
        &["ALTER SYSTEM RESET zero_damaged_pages"],
    );
    // Whoever may only read the ledger is told where to ask.
    let found = evidence(&server, "night", "durability-settings", "");
    let hidden = detail(&found, "setting full_page_writes");
    assert!(
        hidden.contains("a member of pg_read_all_settings"),
        "{hidden}"
    );
    // Done as it is written, it ends.
    execute(&server, "ALTER SYSTEM RESET zero_damaged_pages");
    reload(&server, "zero_damaged_pages", "off");
    for (statement, words) in [
        (
            "ALTER DATABASE postgres SET zero_damaged_pages = on",
            "ALTER DATABASE postgres RESET zero_damaged_pages",
        ),
        (
            "ALTER ROLE postgres SET zero_damaged_pages = on",
            "ALTER ROLE postgres RESET zero_damaged_pages",
        ),
        (
            "ALTER ROLE ALL SET zero_damaged_pages = on",
            "ALTER ROLE ALL RESET zero_damaged_pages",
        ),
        (
            "ALTER ROLE postgres IN DATABASE postgres SET zero_damaged_pages = on",
            "ALTER ROLE postgres IN DATABASE postgres RESET zero_damaged_pages",
        ),
    ] {
        execute(&server, statement);
        let found = evidence(&server, "postgres", "durability-settings", "");
        let detail = detail(&found, "setting zero_damaged_pages");
        assert!(detail.contains(words), "{detail}");
        execute(&server, words);
        let found = evidence(&server, "postgres", "durability-settings", "");
        assert_eq!(found.len(), 2, "{found:?}");
    }
    let own = "-c zero_damaged_pages=on";
    let found = evidence(&server, "postgres", "durability-settings", own);
    let detail = detail(&found, "setting zero_damaged_pages");
    assert!(detail.contains("of this audit alone"), "{detail}");
}

/// The whole server may take itself for a replica, and the session of an audit alone may, too.
#[test]
fn a_server_whose_sessions_fire_no_triggers_is_found() {
    const SETTING: &str = "session_replication_role";
    let started_so = server(&[(SETTING, "replica")]);
    let found = evidence(&started_so, "night", "trigger-disabled", "");
    assert!(detail(&found, "the server").contains("by the command line"));
    drop(started_so);

    let server = server(&[]);
    let found = |role: &str| evidence(&server, role, "trigger-disabled", "");
    assert_eq!(found("postgres"), [Value::Null; 0]);
    let own = "-c session_replication_role=replica";
    let alone = evidence(&server, "postgres", "trigger-disabled", own);
    assert_eq!(alone, [Value::Null; 0], "it is about this session only");

    execute(
        &server,
        "ALTER SYSTEM SET session_replication_role = replica",
    );
    reload(&server, SETTING, "replica");
    let seen = detail(&found("postgres"), "the server");
    assert!(
        seen.contains("ALTER SYSTEM RESET session_replication_role"),
        "{seen}"
    );
    let hidden = detail(&found("night"), "the server");
    assert!(
        hidden.contains("a member of pg_read_all_settings"),
        "{hidden}"
    );
    // A database that says otherwise is none of its own.
    execute(
        &server,
        "ALTER DATABASE postgres SET session_replication_role = origin",
    );
    assert_eq!(found("night"), [Value::Null; 0]);
    execute(
        &server,
        "ALTER DATABASE postgres RESET session_replication_role",
    );
    execute(&server, "ALTER SYSTEM RESET session_replication_role");
    reload(&server, SETTING, "origin");
    assert_eq!(found("night"), [Value::Null; 0]);

    configure(&server, "session_replication_role = replica");
    reload(&server, SETTING, "replica");
    let seen = detail(&found("postgres"), "the server");
    assert!(seen.contains("/data/postgresql.conf, line "), "{seen}");
}

/// Memberships are those of the whole server, which the other tests share.
#[test]
fn members_of_the_role_that_writes_all_data_may_edit_history() {
    let server = server(&[]);
    execute(
        &server,
        "CREATE ROLE loader; GRANT pg_write_all_data TO loader; CREATE ROLE chief SUPERUSER; \
         GRANT pg_write_all_data TO chief",
    );
    let found = || evidence(&server, "night", "privilege-append-only", "");
    let members = found();
    assert_eq!(members.len(), 1, "{members:?}");
    assert!(detail(&members, "role loader").contains("a member of pg_write_all_data"));
    assert_eq!(members[0]["actual"], "DELETE, UPDATE");
    execute(&server, "REVOKE pg_write_all_data FROM loader");
    assert_eq!(found(), [Value::Null; 0]);
}

#[test]
fn commits_that_the_server_does_not_write_are_found() {
    let server = server(&[]);
    configure(&server, "synchronous_commit = off");
    reload(&server, "synchronous_commit", "off");
    let found = |options: &str| evidence(&server, "night", "durability-settings", options);
    detail(&found(""), "setting synchronous_commit");
    // A database that says otherwise is none of its own.
    execute(
        &server,
        "ALTER DATABASE postgres SET synchronous_commit = on",
    );
    let own = "-c synchronous_commit=off";
    assert_eq!(
        found(own),
        [Value::Null; 0],
        "it is about this session only"
    );
    execute(&server, "ALTER ROLE postgres SET synchronous_commit = off");
    let others = found("");
    assert_eq!(others.len(), 1, "{others:?}");
    let role = detail(&others, "setting synchronous_commit of ROLE postgres");
    execute(&server, &role);
    assert_eq!(found(""), [Value::Null; 0]);
}
