//! Passwords: where they come from, and where they never go.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use super::secure_server::{PASSWORD, PASSWORD_IN_URL, SECRET, at_empty_home, secure_server};
use crate::support::folder::Folder;
use crate::support::program::{Program, Run, creditdb};
use crate::support::server::Database;

fn url_with_password() -> String {
    let url = secure_server().url("secrets", "");
    url.replace("gateway@", &format!("gateway:{PASSWORD_IN_URL}@"))
}

fn words_with_password() -> String {
    let port = secure_server().port;
    let password = PASSWORD.replace('\\', r"\\").replace('\'', r"\'");
    format!("host=127.0.0.1 port={port} user=gateway dbname=secrets password='{password}'")
}

/// Asserts that nothing of the password is in what was printed.
fn tells_nothing(run: &Run) {
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(!all.contains(SECRET), "{all}");
}

#[test]
fn a_password_is_taken_from_each_source() {
    let url = secure_server().url("secrets", "");
    let in_query = format!("{url}password={PASSWORD_IN_URL}");
    for text in [url_with_password(), words_with_password(), in_query] {
        at_empty_home(["status"]).on(&text).succeeds();
        at_empty_home(["status", "--database-url", &text]).succeeds();
        let glued = format!("--database-url={text}");
        let run = at_empty_home(["status", "--verbose", &glued]).succeeds();
        tells_nothing(&run);
    }
    let variable = at_empty_home(["status"])
        .on(&url)
        .env("PGPASSWORD", PASSWORD);
    variable.succeeds();
    // That of the URL wins, on the command line as well.
    at_empty_home(["status", "--database-url", &url_with_password()])
        .env("PGPASSWORD", "wrong")
        .succeeds();
}

#[test]
fn a_wrong_password_is_named_but_not_told() {
    let url = secure_server().url("secrets", "");
    let wrong = url.replace("gateway@", &format!("gateway:{SECRET}-wrong@"));
    for program in [
        at_empty_home(["status", "-v", "--database-url", &wrong]),
        at_empty_home(["status", "-v"]).on(&wrong),
        at_empty_home(["status", "-v"])
            .on(&url)
            .env("PGPASSWORD", format!("{SECRET}-wrong")),
    ] {
        let run = program
            .env("RUST_BACKTRACE", "1")
            .env("RUST_LOG", "trace")
            .exits(3);
        assert!(
            run.stderr.contains("28P01") && run.stderr.contains("hint:"),
            "{}",
            run.stderr
        );
        tells_nothing(&run);
    }
}

#[test]
fn malformed_arguments_do_not_tell_it_either() {
    for arguments in [
        &["status", "--database-url", "postgres://u:s3cr3t/x@h/d"][..],
        &["status", "--database-url", "postgres://u:s3cr3t@s3cr3t@h/d"],
        &["status", "--database-url", "postgres://u:s3cr3t@h:port/d"],
        &[
            "status",
            "--database-url",
            "postgres://u:s3cr3t@h/d?color=red",
        ],
        &["status", "--database-url", "host=h password=my s3cr3t"],
        &["status", "--database-url", "host=h password=my s3cr3t=1"],
        &["status", "postgres://u:s3cr3t@h/d"],
        &["status", "DATABASE_URL=postgres://u:s3cr3t@h/d"],
        &["status", "PGPASSWORD=s3cr3t"],
        &["status", "PASSWORD=s3cr3t"],
        &["status", "Password=s3cr3t"],
        &["status", "jdbc:postgresql://h/x?user=u&password=s3cr3t"],
        &["status", "--database-url", "jdbc:x://u:s3cr3t@h/x?user=u"],
        &["status", "--database-url", "postgres://u:a", "s3cr3t@h/d"],
        &["status", "--scratch-url=postgres://u:s3cr3t/x@h/d"],
        &["status", "--scratch-url", "postgres://u:s3cr3t@h/d"],
        &[
            "status",
            "--url=postgres://u:s3cr3t@h/d",
            "--database-url=postgres://u:s3cr3t@h/d",
        ],
        &[
            "status",
            "--database-url",
            "postgres://u:s3cr3t@h/d",
            "--nonsense",
        ],
    ] {
        let run = at_empty_home(arguments.iter().copied())
            .env("RUST_BACKTRACE", "1")
            .exits(2);
        tells_nothing(&run);
    }
}

#[test]
fn a_connection_string_of_another_program_is_not_repeated() {
    let text = "postgresql+psycopg2://u:s3cr3t@h/d?sslmode=require user=u";
    tells_nothing(&at_empty_home(["status"]).on(text).exits(2));
}

/// The user may log in with the password, and lacks the right to make the database.
#[test]
fn the_password_of_a_scratch_server_is_used() {
    let live = Database::migrated();
    for text in [url_with_password(), words_with_password()] {
        let glued = format!("--scratch-url={text}");
        for arguments in [&["--scratch-url", &text][..], &[&glued]] {
            let run = at_empty_home(["rehearse"])
                .args(arguments)
                .on(&live.url)
                .exits(3);
            let denied = "making the scratch database: permission denied to create database";
            assert!(run.stderr.contains(denied), "{}", run.stderr);
            assert!(
                run.stderr.contains("hint: ALTER ROLE <role> CREATEDB"),
                "{}",
                run.stderr
            );
            tells_nothing(&run);
        }
    }
}

#[test]
fn the_process_list_does_not_show_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://gateway:{SECRET}@127.0.0.1:{port}/credits?connect_timeout=1");
    let mut child = creditdb(["status", "--database-url", &url]).spawn();
    // Once it knocks, it has started itself again.
    let (mut connection, _) = listener.accept().unwrap();
    let arguments = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
    let arguments = String::from_utf8(arguments).unwrap();
    assert!(
        arguments.contains("postgres://gateway@127.0.0.1"),
        "{arguments}"
    );
    assert!(!arguments.contains(SECRET), "{arguments}");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    // Nor does it go over the wire before the server has said how it wants it.
    let mut sent = Vec::new();
    connection.read_to_end(&mut sent).unwrap();
    assert!(!sent.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()));
}

/// `status` with a password file of a mode.
fn with_file(url: &str, line: &str, mode: u32) -> (Folder, Program) {
    let home = Folder::with(&[(".pgpass", line)]);
    let file = home.path().join(".pgpass");
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    let program = creditdb(["status", "--verbose"])
        .on(url)
        .env("HOME", home.arg());
    (home, program)
}

/// The password as it is written in a password file.
fn escaped() -> String {
    PASSWORD.replace('\\', r"\\").replace(':', r"\:")
}

#[test]
fn the_password_file_is_searched_line_by_line() {
    let server = secure_server();
    let (port, password) = (server.port, escaped());
    let tcp = server.url("secrets", "");
    let socket = format!(
        "postgres://gateway@/secrets?host={}&port={port}",
        server.socket_folder()
    );
    let cases = [
        (
            &tcp,
            format!("127.0.0.1:{port}:secrets:gateway:{password}"),
            0,
        ),
        (
            &tcp,
            format!("# a comment\n*:*:*:gateway:{password}\n*:*:*:*:wrong"),
            0,
        ),
        (&tcp, format!("*:*:*:*:wrong\n*:*:*:gateway:{password}"), 3),
        (
            &tcp,
            format!("localhost:{port}:secrets:gateway:{password}"),
            3,
        ),
        (
            &tcp,
            format!("*:{}:secrets:gateway:{password}", port + 1),
            3,
        ),
        (&tcp, format!(r"\*:*:*:gateway:{password}"), 3),
        (&tcp, format!("*:*:*:gateway:{PASSWORD}"), 3),
        (
            &socket,
            format!("{}:*:secrets:*:{password}", server.socket_folder()),
            0,
        ),
        (&socket, format!("127.0.0.1:*:secrets:*:{password}"), 3),
    ];
    for (url, line, code) in cases {
        let (_home, program) = with_file(url, &line, 0o600);
        let run = program.run();
        assert_eq!(run.code, code, "{line}:\n{}", run.stderr);
        tells_nothing(&run);
    }
}

#[test]
fn a_password_file_that_others_can_read_is_ignored_and_named() {
    let url = secure_server().url("secrets", "");
    for mode in [0o644, 0o640, 0o602] {
        let (_home, program) = with_file(&url, &format!("*:*:*:*:{}", escaped()), mode);
        let run = program.exits(3);
        for words in ["is ignored", "chmod 0600", "wants a password"] {
            assert!(run.stderr.contains(words), "{}", run.stderr);
        }
        tells_nothing(&run);
    }
    let (home, _) = with_file(&url, &format!("*:*:*:*:{}", escaped()), 0o600);
    let file = home.path().join(".pgpass");
    at_empty_home(["status"])
        .on(&url)
        .env("PGPASSFILE", file)
        .succeeds();
}
