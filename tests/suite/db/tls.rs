//! `sslmode`, from disable to verify-full, against right and wrong issuers and host names.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::secure_server::{at_empty_home, free_port, secure_server};
use crate::support::folder::Folder;

/// A name of the server's certificate, and one that is not.
const RIGHT: &str = "db.example";
const WRONG: &str = "evil.example";

#[test]
fn each_mode_checks_what_it_promises() {
    // Which of these may connect: right issuer and name, wrong name, wrong issuer, both wrong.
    let cases = [
        ("disable", "plain_only", [true, true, true, true]),
        ("disable", "tls_only", [false, false, false, false]),
        ("allow", "plain_only", [true, true, true, true]),
        ("allow", "tls_only", [true, true, true, true]),
        ("prefer", "plain_only", [true, true, true, true]),
        ("prefer", "tls_only", [true, true, true, true]),
        ("require", "plain_only", [false, false, false, false]),
        // A root certificate that is named counts under require too, as in libpq.
        ("require", "tls_only", [true, true, false, false]),
        ("verify-ca", "tls_only", [true, true, false, false]),
        ("verify-full", "tls_only", [true, false, false, false]),
    ];
    let server = secure_server();
    for (mode, database, allowed) in cases {
        let ways = [("root.crt", RIGHT), ("root.crt", WRONG)]
            .into_iter()
            .chain([("other_root.crt", RIGHT), ("other_root.crt", WRONG)]);
        for ((root, host), allowed) in ways.zip(allowed) {
            let root = server.file(root);
            let parameters = format!("sslmode={mode}&sslrootcert={root}");
            let run = server.status_as(host, database, &parameters).run();
            let expected = if allowed { 0 } else { 3 };
            assert_eq!(
                run.code, expected,
                "{mode} on {database} as {host} by {root}:\n{}",
                run.stderr
            );
        }
    }
}

#[test]
fn require_without_root_certificates_takes_any_certificate() {
    let server = secure_server();
    let require = "sslmode=require";
    server.status_as(WRONG, "tls_only", require).succeeds();
    let url = server.url("tls_only", require);
    at_empty_home(["status"]).on(&url).succeeds();
}

#[test]
fn the_default_root_certificate_counts() {
    let server = secure_server();
    let home = Folder::with(&[(
        ".postgresql/root.crt",
        fs::read(server.path("other_root.crt")).unwrap(),
    )]);
    let run = |root: &str| {
        home.write(".postgresql/root.crt", fs::read(server.path(root)).unwrap());
        server
            .status_as(RIGHT, "tls_only", "sslmode=verify-full")
            .env("HOME", home.arg())
            .run()
            .code
    };
    assert_eq!(run("root.crt"), 0);
    assert_eq!(run("other_root.crt"), 3);
    let nothing = server.status_as(RIGHT, "tls_only", "sslmode=verify-full");
    let run = nothing.exits(2);
    assert!(run.stderr.contains("sslrootcert=system"), "{}", run.stderr);
}

#[test]
fn the_store_of_the_system_implies_verify_full() {
    let server = secure_server();
    // The store is the one file that the variable of OpenSSL names.
    for (root, host, code) in [
        ("root.crt", RIGHT, 0),
        ("root.crt", WRONG, 3),
        ("other_root.crt", RIGHT, 3),
    ] {
        server
            .status_as(host, "tls_only", "sslrootcert=system")
            .env("SSL_CERT_FILE", server.file(root))
            .exits(code);
    }
    server
        .status_as(RIGHT, "tls_only", "sslrootcert=system&sslmode=require")
        .exits(2);
}

#[test]
fn the_variables_of_libpq_set_the_mode() {
    let server = secure_server();
    let run = |host: &str| {
        server
            .status_as(host, "tls_only", "")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", server.file("root.crt"))
            .run()
            .code
    };
    assert_eq!((run(RIGHT), run(WRONG)), (0, 3));
}

#[test]
fn a_client_certificate_logs_in() {
    let server = secure_server();
    let root = server.file("root.crt");
    let with = |name: &str| {
        let (certificate, key) = (
            server.file(&format!("{name}.crt")),
            server.file(&format!("{name}.key")),
        );
        let parameters =
            format!("sslmode=verify-full&sslrootcert={root}&sslcert={certificate}&sslkey={key}");
        server.status_as(RIGHT, "cert_only", &parameters)
    };
    with("gateway").succeeds();
    let forged = with("forged").exits(3);
    assert!(
        forged.stderr.contains("rejects the client certificate"),
        "{}",
        forged.stderr
    );
    let none = server
        .status_as(RIGHT, "cert_only", "sslmode=require")
        .exits(3);
    assert!(none.stderr.contains("sslcert=FILE"), "{}", none.stderr);
}

#[test]
fn a_private_key_that_others_can_read_is_refused() {
    let server = secure_server();
    let open = Folder::with(&[("open.key", fs::read(server.path("gateway.key")).unwrap())]);
    let key = open.path().join("open.key");
    let certificate = server.file("gateway.crt");
    let run = |mode: u32| {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let parameters = format!(
            "sslmode=require&sslcert={certificate}&sslkey={}",
            key.display()
        );
        server.status_as(RIGHT, "cert_only", &parameters).run()
    };
    assert_eq!(run(0o600).code, 0);
    let refused = run(0o644);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("chmod 0600"), "{}", refused.stderr);
}

#[test]
fn the_socket_needs_no_tls_whatever_the_mode() {
    let server = secure_server();
    let url = format!(
        "postgres://postgres@/tls_only?host={}&port={}&sslmode=verify-full",
        server.socket_folder(),
        server.port
    );
    at_empty_home(["status"]).on(&url).succeeds();
}

#[test]
fn files_that_cannot_be_read_are_wrong_usage() {
    let port = free_port();
    for parameter in [
        "sslrootcert=/nonexistent/root.crt",
        "sslcert=/nonexistent/x&sslkey=/x",
    ] {
        let url = format!("postgres://u@127.0.0.1:{port}/d?sslmode=require&{parameter}");
        let run = at_empty_home(["status"]).on(&url).exits(2);
        assert!(
            run.stderr.contains("cannot read \"/nonexistent"),
            "{}",
            run.stderr
        );
    }
}
