//! The tour: what it must find, and that nothing of its server stays behind.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use crate::support::folder::Folder;
use crate::support::program::creditdb;

const SMALL: [&str; 5] = ["demo", "--users", "20", "--requests", "1000"];

/// A folder for temporary files that the server's own account can reach.
fn temporary() -> Folder {
    let folder = Folder::with::<&str>(&[]);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

fn left_behind(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_clean_audit_then_the_planted_damage_found_with_evidence() {
    let folder = temporary();
    let run = creditdb(SMALL)
        .args(["--format", "json"])
        .env("TMPDIR", folder.path())
        .succeeds();
    let json = run.json();
    let report = |step: usize| &json["steps"][step]["report"];
    assert_eq!(report(2)["verdict"], "clean");
    assert_eq!(json["steps"][3]["notes"].as_array().unwrap().len(), 4);
    assert_eq!(report(4)["verdict"], "findings");
    let checks = report(4)["checks"].as_array().unwrap();
    for (id, cause) in [
        ("chain-continuity", "edited-balance"),
        ("request-id-duplicate", "logged-twice"),
        ("balance-row-missing", "row-missing"),
    ] {
        let check = checks.iter().find(|check| check["id"] == id).unwrap();
        assert_eq!(
            (&check["status"], &check["violations"]),
            (&"violated".into(), &1.into())
        );
        assert_eq!(check["evidence"][0]["cause"], cause);
    }
    assert_eq!(left_behind(&folder), [""; 0]);
}

/// As `libpam-tmpdir` makes it for root, whose server runs under another account.
#[test]
fn a_folder_that_only_root_may_enter_is_named_at_once() {
    let folder = temporary();
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    if !is_root {
        return;
    }
    let set = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o700);
    let started = Instant::now();
    let run = creditdb(SMALL).env("TMPDIR", folder.path()).exits(3);
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(run.stderr.contains(folder.arg()), "{}", run.stderr);
    assert!(
        run.stderr.contains("hint: export TMPDIR="),
        "{}",
        run.stderr
    );
    // One that others may enter and not write to keeps nothing either.
    set(0o755);
    creditdb(SMALL).env("TMPDIR", folder.path()).succeeds();
    assert_eq!(left_behind(&folder), [""; 0]);
}

#[test]
fn a_killed_demo_takes_its_server_along() {
    let folder = temporary();
    let mut child = creditdb(SMALL).env("TMPDIR", folder.path()).spawn();
    let started = Instant::now();
    // While initdb runs, the file comes and goes.
    let pid_file = loop {
        let folders = left_behind(&folder)
            .into_iter()
            .map(|name| folder.path().join(name));
        let found = folders
            .filter_map(|server| fs::read_to_string(server.join("data/postmaster.pid")).ok())
            .find(|text| text.lines().count() > 1);
        if let Some(found) = found {
            break found;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "no server was started"
        );
        std::thread::sleep(Duration::from_millis(5));
    };
    let server_process = format!("/proc/{}", pid_file.lines().next().unwrap());
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    while !left_behind(&folder).is_empty() || fs::metadata(&server_process).is_ok() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the server outlived the demo"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nobody shall believe that it ran on a database of theirs.
#[test]
fn a_database_that_would_be_ignored_is_refused() {
    let option = ["--database-url", "postgres://u@h/d"];
    for arguments in [
        ["demo", option[0], option[1]],
        [option[0], option[1], "demo"],
    ] {
        let run = creditdb(arguments).exits(2);
        assert!(
            run.stderr.contains("private throw-away server"),
            "{}",
            run.stderr
        );
    }
    let help = creditdb(["demo", "--help"]).succeeds();
    assert!(!help.stdout.contains("--database-url"), "{}", help.stdout);
}

#[test]
fn a_sample_that_is_too_small_to_damage_is_said_so() {
    let run = creditdb(["demo", "--users", "1", "--requests", "0"]).exits(2);
    assert!(
        run.stderr.contains("too small for the demo"),
        "{}",
        run.stderr
    );
}
