//! What a person reads when no connection comes about.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::secure_server::{PASSWORD_IN_URL, at_empty_home, free_port, secure_server};
use crate::support::{program::Program, snapshots};

fn on(url: &str) -> Program {
    at_empty_home(["status"]).on(url)
}

/// A server that takes connections, answers the request for TLS in a way, and then says nothing.
fn silent_server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 8];
            connection.read_exact(&mut request).unwrap();
            connection.write_all(answer).unwrap();
            open.push(connection);
        }
    });
    port
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    // Before TLS, within the handshake, and after TLS was declined.
    for (answer, mode) in [(&b""[..], "prefer"), (b"S", "require"), (b"N", "prefer")] {
        let port = silent_server(answer);
        let url = format!("postgres://u@127.0.0.1:{port}/d?connect_timeout=1&sslmode={mode}");
        let started = Instant::now();
        let run = on(&url).exits(3);
        let took = started.elapsed();
        assert!(
            run.stderr.contains("no answer within 1 s"),
            "{}",
            run.stderr
        );
        assert!(
            took >= Duration::from_secs(1) && took < Duration::from_secs(4),
            "{took:?}"
        );
    }
}

/// A server that answers the first packet with these bytes and hangs up.
fn server_that_says(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut packet = [0; 1024];
            let _ = connection.read(&mut packet).unwrap();
            connection.write_all(answer).unwrap();
        }
    });
    format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable")
}

/// What a server says while it recovers.
const STARTING_UP: &[u8] =
    b"E\0\0\0\x3eSFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";

#[test]
fn a_host_that_does_not_exist_is_an_answer_too() {
    let run = on("postgres://u@no-such-host.invalid/d?connect_timeout=2").exits(3);
    assert!(run.stderr.contains("hint:"), "{}", run.stderr);
}

/// A title and a run for each way to fail.
fn failures() -> Vec<(&'static str, Program)> {
    let server = secure_server();
    let (root, other) = (server.file("root.crt"), server.file("other_root.crt"));
    let refused = format!("postgres://u@127.0.0.1:{}/d", free_port());
    let with_password = |database: &str| {
        let url = server.url(database, "");
        url.replace("gateway@", &format!("gateway:{PASSWORD_IN_URL}@"))
    };
    let stranger = server.url("secrets", "").replace("gateway@", "nobody:x@");
    vec![
        ("nothing listens", on(&refused)),
        ("no socket", on("postgres://u@/d?host=/nonexistent")),
        (
            "nothing named",
            at_empty_home(["status"])
                .env("PGUSER", "u")
                .env("PGPORT", "1"),
        ),
        ("no password", on(&server.url("secrets", ""))),
        ("wrong password", on(&server.url("secrets", "password=x"))),
        ("unknown user", on(&stranger)),
        ("unknown database", on(&with_password("nowhere"))),
        (
            "unknown database with a quote",
            on(&with_password("no%20db'x")),
        ),
        ("too many connections", on(&server.url("crowded", ""))),
        (
            "TLS is wanted by the server",
            on(&server.url("cert_only", "sslmode=disable")),
        ),
        (
            "channel binding without TLS",
            on(&server.url(
                "secrets",
                &format!("sslmode=disable&channel_binding=require&password={PASSWORD_IN_URL}"),
            )),
        ),
        (
            "wants GSSAPI",
            on(&server_that_says(b"R\0\0\0\x08\0\0\0\x07")),
        ),
        (
            "no line for the way",
            on(&server.url("plain_only", "sslmode=require")),
        ),
        ("starting up", on(&server_that_says(STARTING_UP))),
        (
            "another protocol",
            on(&server_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        ),
        ("hangs up", on(&server_that_says(b""))),
        (
            "wrong host name",
            on(&server.url(
                "tls_only",
                &format!("sslmode=verify-full&sslrootcert={root}"),
            )),
        ),
        (
            "unknown issuer",
            on(&server.url(
                "tls_only",
                &format!("sslmode=verify-ca&sslrootcert={other}"),
            )),
        ),
        (
            "no root certificate",
            on(&server.url("tls_only", "sslmode=verify-full")),
        ),
        (
            "unknown parameter",
            on(&server.url("tls_only", "schema=public")),
        ),
        (
            "a value with an equals sign",
            on(&server.url("tls_only", "options=-c a=b")),
        ),
        ("unknown mode", on(&server.url("tls_only", "sslmode=on"))),
        ("not a URL", on("credits")),
        (
            "empty option",
            at_empty_home(["status", "--database-url", ""]),
        ),
    ]
}

#[test]
fn each_failure_has_its_words_and_a_next_step() {
    let server = secure_server();
    let mut text = String::new();
    for (title, program) in failures() {
        let run = program.run();
        text += &format!("## {title}: exit {}\n{}\n", run.code, run.stderr);
    }
    let text = text
        .replace(&server.socket_folder(), "FOLDER")
        .replace(&server.port.to_string(), "PORT");
    let port = regex::Regex::new(r"127\.0\.0\.1(:| -p )\d+").unwrap();
    let text = port.replace_all(&text, "127.0.0.1${1}PORT");
    snapshots(|| insta::assert_snapshot!("connection_errors", text));
}
