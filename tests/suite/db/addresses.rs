//! Where a connection goes: URLs, connection strings, variables, services, sockets, several hosts.

use std::collections::HashMap;
use std::ffi::OsString;

use creditdb::db::Target;

use super::secure_server::{PASSWORD, at_empty_home, free_port, secure_server};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::server;

/// What is connected to, with variables; or the primary line of the error.
fn resolve(url: Option<&str>, variables: &[(&str, &str)]) -> String {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let environment = |name: &str| variables.get(name).map(OsString::from);
    match Target::resolve_in(url, &environment) {
        Ok(target) => target.describe(),
        Err(error) => format!("error: {}", error.primary()),
    }
}

#[test]
fn what_is_nearer_to_the_caller_wins() {
    let variables = [
        ("DATABASE_URL", "postgres://a@from-url/x"),
        ("PGHOST", "from-variable"),
        ("PGPORT", "6000"),
        ("PGUSER", "v"),
    ];
    let cases = [
        (
            Some("postgres://b@option:7/y"),
            "database \"y\" on \"option:7\" as user \"b\"",
        ),
        (None, "database \"x\" on \"from-url:6000\" as user \"a\""),
        (
            Some("dbname=z"),
            "database \"z\" on \"from-variable:6000\" as user \"v\"",
        ),
    ];
    for (url, expected) in cases {
        assert_eq!(resolve(url, &variables), expected);
    }
    assert_eq!(
        resolve(None, &variables[1..]),
        "database \"v\" on \"from-variable:6000\" as user \"v\""
    );
}

#[test]
fn several_hosts_and_addresses_are_understood() {
    let cases = [
        (
            "postgres://u@a:1,[::1]:2/d",
            "database \"d\" on \"a:1,[::1]:2\" as user \"u\"",
        ),
        (
            "user=u hostaddr=::1",
            "database \"u\" on \"[::1]:5432\" as user \"u\"",
        ),
        (
            "user=u host=/run/x port=7",
            "database \"u\" on \"/run/x/.s.PGSQL.7\" as user \"u\"",
        ),
        (
            "host=a,b port=1,2,3 user=u",
            "error: the lists of hosts, addresses and ports differ in length",
        ),
        ("host=a port=0", "error: \"0\" is not a port"),
        (
            "host=a hostaddr=b user=u",
            "error: hostaddr \"b\" is not an IP address",
        ),
    ];
    for (url, expected) in cases {
        assert_eq!(resolve(Some(url), &[]), expected, "{url}");
    }
}

#[test]
fn a_service_sets_what_the_url_leaves_out_before_the_variables_do() {
    let folder = Folder::with(&[("services", "[ledger]\nhost=svc\nport=7\nuser=s\n")]);
    let file = folder.path().join("services");
    let variables = [
        ("PGSERVICEFILE", file.to_str().unwrap()),
        ("PGUSER", "v"),
        ("PGDATABASE", "d"),
    ];
    let found = resolve(Some("postgres://?service=ledger&port=8"), &variables);
    assert_eq!(found, "database \"d\" on \"svc:8\" as user \"s\"");
    let unknown = resolve(None, &[("PGSERVICE", "nothing")]);
    assert_eq!(
        unknown,
        "error: connection service \"nothing\" is not defined"
    );
}

#[test]
fn promises_that_cannot_be_kept_are_refused() {
    for (url, variables) in [
        ("host=h requirepeer=postgres", vec![]),
        ("host=h", vec![("PGREQUIREAUTH", "scram-sha-256")]),
        ("host=h ssl_min_protocol_version=TLSv1.3", vec![]),
        ("host=h gssencmode=require", vec![]),
    ] {
        let found = resolve(Some(url), &variables);
        assert!(found.ends_with("is not supported"), "{url}: {found}");
    }
    let harmless = resolve(
        Some("host=h user=u gssencmode=disable"),
        &[("PGCLIENTENCODING", "x")],
    );
    assert_eq!(harmless, "database \"u\" on \"h:5432\" as user \"u\"");
}

#[test]
fn secrets_are_not_in_debug_output() {
    let target = Target::resolve_in(Some("postgres://u:s3cr3t@h/d"), &|_| None).unwrap();
    assert!(!format!("{target:?}").contains("s3cr3t"));
}

#[test]
fn variables_alone_are_enough() {
    let server = secure_server();
    at_empty_home(["status"])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.port.to_string())
        .env("PGUSER", "gateway")
        .env("PGDATABASE", "secrets")
        .env("PGPASSWORD", PASSWORD)
        .succeeds();
    at_empty_home(["status"])
        .env("PGHOST", server.socket_folder())
        .env("PGPORT", server.port.to_string())
        .env("PGUSER", "postgres")
        .succeeds();
}

#[test]
fn the_next_host_is_tried_when_one_is_down() {
    let server = secure_server();
    let (down, up) = (free_port(), server.port);
    let hosts = format!("127.0.0.1:{down},127.0.0.1:{up}");
    let url = format!("postgres://gateway@{hosts}/tls_only?target_session_attrs=");
    for kind in ["any", "read-write", "primary", "prefer-standby"] {
        at_empty_home(["status"])
            .on(&format!("{url}{kind}"))
            .succeeds();
    }
    for kind in ["standby", "read-only"] {
        let run = at_empty_home(["status"])
            .on(&format!("{url}{kind}"))
            .exits(3);
        assert!(
            run.stderr.contains("target_session_attrs"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn the_session_carries_a_name_and_options() {
    let url = server().url_of("postgres");
    let shows = |url: &str, variables: &[(&str, &str)], setting: &str| -> String {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        let environment = |name: &str| variables.get(name).map(OsString::from);
        let target = Target::resolve_in(Some(url), &environment).unwrap();
        let mut client = target.connect().unwrap();
        client
            .query_one(&format!("SHOW {setting}"), &[])
            .unwrap()
            .get(0)
    };
    assert_eq!(shows(&url, &[], "application_name"), "creditdb");
    let named = [
        ("PGAPPNAME", "night job"),
        ("PGOPTIONS", "-c lock_timeout=7s"),
    ];
    assert_eq!(shows(&url, &named, "application_name"), "night job");
    assert_eq!(shows(&url, &named, "lock_timeout"), "7s");
}

/// As in a service of systemd that names no user: libpq asks the system then.
#[test]
fn an_account_without_home_in_its_environment_has_one() {
    let run = creditdb(["status"])
        .without("HOME")
        .env("PGSERVICE", "nothing")
        .exits(2);
    let looked_at = "/.pg_service.conf\": No such file";
    assert!(run.stderr.contains(looked_at), "{}", run.stderr);
}

/// Nobody shall believe that it looked at a database. What the environment says is for others.
#[test]
fn a_command_without_a_database_refuses_to_be_given_one() {
    let option = ["--database-url", "postgres://u@127.0.0.1:1/d"];
    for command in [&["lint"][..], &["list"], &["explain", "trial-balance"]] {
        let before = option.iter().chain(command.iter());
        let after = command.iter().chain(&option);
        for run in [creditdb(before).exits(2), creditdb(after).exits(2)] {
            let words = format!("{} does not work on the database of", command[0]);
            assert!(run.stderr.contains(&words), "{}", run.stderr);
            let hint = format!("hint: creditdb {}, or: creditdb ", command.join(" "));
            assert!(run.stderr.contains(&hint), "{}", run.stderr);
        }
        creditdb(command.iter()).on(option[1]).succeeds();
        let help = creditdb([command[0], "--help"]).succeeds().stdout;
        assert!(!help.contains("--database-url"), "{help}");
    }
    let help = creditdb(["verify", "--help"]).succeeds().stdout;
    assert!(help.contains("--database-url"), "{help}");
}
