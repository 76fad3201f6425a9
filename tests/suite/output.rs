//! Files of `--output`: found out beforehand, whole or not there, and of the run that wrote them
//! last.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;

/// Nothing listens there.
const NOWHERE: &str = "postgres://u@127.0.0.1:1/d";

fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_is_done() {
    let database = Database::empty();
    let folder = Folder::with(&[("file", "")]);
    let path = |name: &str| format!("{}/{name}", folder.arg());
    for bad in [
        path("none/x.json"),
        path(""),
        path("file/x.json"),
        path("new/"),
    ] {
        let output = format!("json={bad}");
        let run = creditdb(["migrate", "--output", &output])
            .on(&database.url)
            .exits(2);
        let words = format!("cannot write \"{bad}\"");
        assert!(run.stderr.contains(&words), "{}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
        let run = creditdb(["plan", "--out", &bad]).on(&database.url).exits(2);
        assert!(run.stderr.contains(&words), "{}", run.stderr);
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let made: i64 = database.connect().query_one(tables, &[]).unwrap().get(0);
    assert_eq!(made, 0);
}

#[test]
fn a_run_without_a_report_leaves_no_older_one() {
    let folder = Folder::with(&[("audit.json", r#"{"verdict": "clean"}"#)]);
    creditdb(["verify", "--output", "json=audit.json"])
        .within(folder.path())
        .on(NOWHERE)
        .exits(3);
    assert_eq!(names(&folder), [""; 0]);
}

/// The file is gone before the command reads it, so it is refused, however it is spelled.
#[test]
fn a_file_that_is_read_is_not_replaced() {
    let folder = Folder::with(&[
        ("state", "kept"),
        ("plan.json", "kept"),
        ("m/V1__a.sql", "kept"),
        ("m/V2__b.sql", "kept"),
        ("c/own/mine.sql", "kept"),
    ]);
    symlink("state", folder.path().join("link")).unwrap();
    symlink("later", folder.path().join("early")).unwrap();
    let absolute = format!("json={}/state", folder.arg());
    for (command, output) in [
        (&["verify", "--state", "state"][..], "json=state"),
        (&["verify", "--state", "state"], "json=./state"),
        (&["verify", "--state", "state"], "json=m/../state"),
        (&["verify", "--state", "state"], "json=link"),
        (&["verify", "--state", "link"], "json=state"),
        (&["verify", "--state", "state"], absolute.as_str()),
        // Files that are still to be made.
        (&["verify", "--state", "new"], "json=./new"),
        (&["verify", "--state", "early"], "json=later"),
        (&["verify", "--checks", "c"], "json=c/own/mine.sql"),
        (&["list", "--checks", "c"], "json=c/own/mine.sql"),
        (&["explain", "x", "--checks", "c"], "json=c/own/mine.sql"),
        (&["migrate", "--plan", "plan.json"], "json=plan.json"),
        (&["migrate", "--migrations", "m"], "json=m/V1__a.sql"),
        (&["status", "--migrations", "m"], "json=m/V1__a.sql"),
        (&["plan", "--migrations", "m"], "sql=m/V1__a.sql"),
        (&["rehearse", "--migrations", "m"], "json=m/V1__a.sql"),
        (&["drift", "--migrations", "m"], "json=m/V1__a.sql"),
        (&["lint", "m/V2__b.sql"], "json=m/V2__b.sql"),
        (&["lint", "m/V2__b.sql"], "json=m/V1__a.sql"),
    ] {
        let run = creditdb(command.iter().copied().chain(["--output", output]))
            .within(folder.path())
            .on(NOWHERE)
            .exits(2);
        let (_, path) = output.split_once('=').unwrap();
        let words = format!("--output would replace \"{path}\", which is read");
        assert!(run.stderr.contains(&words), "{command:?}: {}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    }
    let run = creditdb(["plan", "--migrations", "m", "--out", "m/V1__a.sql"])
        .within(folder.path())
        .on(NOWHERE)
        .exits(2);
    assert!(run.stderr.contains("--out would replace"), "{}", run.stderr);
    for name in ["state", "plan.json", "m/V1__a.sql", "c/own/mine.sql"] {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text, "kept", "{name}");
    }
    // A report beside the migrations is nothing that is read.
    folder.write("m/lint.json", "old");
    let beside = ["--output", "json=m/lint.json"];
    let run = creditdb(["lint", "--migrations", "m"].into_iter().chain(beside))
        .within(folder.path())
        .run();
    assert_ne!(run.code, 2, "{}", run.stderr);
}

/// So are the files of a connection, whatever names them: without them there is none.
#[test]
fn a_file_of_the_connection_is_not_replaced() {
    let url = |rest: &str| format!("postgres://u@127.0.0.1:1/d?{rest}");
    for (name, url, variable) in [
        ("passfile", url(""), "PGPASSFILE"),
        ("service", url(""), "PGSERVICEFILE"),
        ("sslrootcert", url(""), "PGSSLROOTCERT"),
        ("sslkey", url(""), "PGSSLKEY"),
        ("passfile", url("passfile=./it"), "NONE"),
        ("sslcert", url("sslcert=./it"), "NONE"),
        ("sslcrl", url("sslcrl=./it"), "NONE"),
    ] {
        let folder = Folder::with(&[("it", "kept")]);
        for command in [
            &["verify", "--database-url", &url][..],
            &["rehearse", "--scratch-url", &url],
        ] {
            let run = creditdb(command.iter().chain(&["--output", "json=it"]))
                .within(folder.path())
                .env(variable, "it")
                .exits(2);
            let words = "--output would replace \"it\", which is read";
            assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
            assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
            let text = fs::read_to_string(folder.path().join("it")).unwrap();
            assert_eq!(text, "kept", "{name}");
        }
    }
    // What connects to nothing reads none of them.
    let folder = Folder::with(&[("it", "old")]);
    let list = creditdb(["list", "--output", "json=it"]).within(folder.path());
    list.env("PGPASSFILE", "it").succeeds();
}

/// Two reports in one file: of one of them nothing would be left.
#[test]
fn a_file_that_is_written_is_not_replaced() {
    let folder = Folder::with(&[("kept", "kept"), ("m/V1__a.sql", "SELECT 1;")]);
    symlink("kept", folder.path().join("link")).unwrap();
    for (first, second, path) in [
        (
            "--output=text=kept",
            "--output=json=./kept",
            "--output would replace \"./kept\"",
        ),
        (
            "--output=text=link",
            "--output=json=kept",
            "--output would replace \"kept\"",
        ),
        // Files that are still to be made.
        (
            "--output=text=new",
            "--output=json=m/../new",
            "--output would replace \"m/../new\"",
        ),
        (
            "--output=json=new",
            "--out=new",
            "--out would replace \"new\"",
        ),
    ] {
        let run = creditdb(["plan", "--migrations", "m", first, second])
            .within(folder.path())
            .on(NOWHERE)
            .exits(2);
        let words = format!("{path}, which is written");
        assert!(run.stderr.contains(&words), "{}", run.stderr);
        let kept = fs::read_to_string(folder.path().join("kept")).unwrap();
        assert_eq!(kept, "kept");
    }
    // A device takes what comes, one after the other.
    let run = creditdb(["list", "--output=text=/dev/null", "--output=json=/dev/null"]);
    run.succeeds();
}

#[test]
fn a_file_that_fails_late_takes_nothing_else_with_it() {
    let folder = Folder::with::<&str>(&[]);
    let run = creditdb([
        "list",
        "--output",
        "json=/dev/full",
        "--output",
        "json=x.json",
    ])
    .within(folder.path())
    .exits(3);
    assert!(
        run.stderr.contains("cannot write \"/dev/full\""),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains("chain-continuity"), "{}", run.stdout);
    let text = fs::read_to_string(folder.path().join("x.json")).unwrap();
    let _: Value = serde_json::from_str(&text).unwrap();
}

#[test]
fn a_new_file_takes_the_place_of_the_old_one() {
    let folder = Folder::with(&[("today.json", "old, and longer than nothing")]);
    let path = folder.path().join("today.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("today.json", folder.path().join("newest.json")).unwrap();
    let mut reader = fs::File::open(&path).unwrap();
    creditdb(["list", "--output", "json=newest.json"])
        .within(folder.path())
        .succeeds();
    // Whoever was reading goes on with the old one, and never sees half of the new one.
    let mut old = String::new();
    reader.read_to_string(&mut old).unwrap();
    assert_eq!(old, "old, and longer than nothing");
    let _: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    let link = fs::symlink_metadata(folder.path().join("newest.json")).unwrap();
    assert!(link.is_symlink());
    assert_eq!(names(&folder).len(), 2);
}

#[test]
fn devices_and_pipes_are_written_where_they_are() {
    let folder = Folder::with::<&str>(&[]);
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let to_pipe = format!("json={}", pipe.display());
    let run = creditdb(["list", "--output", &to_pipe, "--output", "json=/dev/null"])
        .args(["--output", "json=/dev/stdout"])
        .succeeds();
    let through_pipe = reader.join().unwrap();
    let _: Value = serde_json::from_str(&through_pipe).unwrap();
    assert!(run.stdout.starts_with(&through_pipe), "{}", run.stdout);
    assert!(run.stdout.ends_with("creditdb explain ID tells more\n"));
    assert_eq!(names(&folder), ["pipe"]);
}

#[test]
fn a_file_system_below_dev_has_files_like_any_other() {
    let shared = std::path::Path::new("/dev/shm");
    let Ok(folder) = tempfile::tempdir_in(shared) else {
        // Not on every system.
        assert!(!shared.is_dir());
        return;
    };
    let file = folder.path().join("x.json");
    let output = format!("json={}", file.display());
    for _ in 0..2 {
        creditdb(["list", "--output", &output]).succeeds();
        let _: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    }
}

/// As in a shell, where both go to one file.
#[test]
fn a_file_behind_stdout_keeps_both() {
    let folder = Folder::with::<&str>(&[]);
    let path = folder.path().join("all.txt");
    let status = Command::new(env!("CARGO_BIN_EXE_creditdb"))
        .args(["list", "--output", "json=/dev/stdout"])
        .stdout(fs::File::create(&path).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with('{') && text.ends_with("tells more\n"),
        "{text}"
    );
}
