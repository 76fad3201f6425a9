//! What a finding looks like, in each format.

use super::{LEDGER, check, own_check, result, verify_own};
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;
use crate::support::snapshots;

/// The id of a fresh database and the clock, out of a text.
fn scrub(database: &Database, text: &str) -> String {
    let text = text.replace(database.name(), "DATABASE");
    let filters = [
        (
            r"PostgreSQL [^,]+(\([^)]*\))?, as of .*",
            "PostgreSQL N, as of TIME",
        ),
        (r"\b\d+ ms\b", "N ms"),
    ];
    filters.iter().fold(text, |text, (pattern, by)| {
        regex::Regex::new(pattern)
            .unwrap()
            .replace_all(&text, *by)
            .into_owned()
    })
}

/// A ledger with a lost update, and one check of each other status.
fn damaged() -> (Database, Folder) {
    let database = Database::migrated();
    database.execute(LEDGER);
    database.execute(
        "INSERT INTO public.credit_transactions
                (user_id, transaction_type, amount, balance_after, reference_id)
         SELECT user_id, 'usage', -2.5, 97.5, 'req_2' FROM public.user_credits",
    );
    let guard = [("guarded_by", "credit_transactions_pkey")];
    let folder = Folder::with(&[
        (
            "own/fails.sql",
            check("query", &[], "SELECT id FROM public.credit_transactions"),
        ),
        ("own/guarded.sql", check("row", &guard, "false")),
        ("own/holds.sql", check("row", &[], "false")),
        (
            "own/later.sql",
            check("row", &[("since", "9.0.0")], "false"),
        ),
    ]);
    (database, folder)
}

#[test]
fn text_of_findings() {
    let (database, _folder) = damaged();
    let run = creditdb(["verify", "chain-continuity"])
        .on(&database.url)
        .exits(1);
    snapshots(|| insta::assert_snapshot!("verify_findings", scrub(&database, &run.stdout)));
}

#[test]
fn text_of_every_status() {
    let (database, folder) = damaged();
    let arguments = [
        "verify",
        "chain-continuity",
        "--area",
        "own",
        "--checks",
        folder.arg(),
    ];
    let run = creditdb(arguments).on(&database.url).exits(3);
    snapshots(|| insta::assert_snapshot!("verify_every_status", scrub(&database, &run.stdout)));
}

#[test]
fn json_of_every_status() {
    let (database, folder) = damaged();
    let arguments = [
        "verify",
        "chain-continuity",
        "--area",
        "own",
        "--checks",
        folder.arg(),
    ];
    let run = creditdb(arguments.iter().chain(&["--format", "json"]))
        .on(&database.url)
        .exits(3);
    let json = run.json();
    snapshots(|| {
        insta::assert_json_snapshot!("verify", json, {
            ".database.name" => "[database]",
            ".database.server_version" => "[version]",
            ".snapshot.taken_at" => "[time]",
            ".snapshot.id" => "[snapshot]",
            ".elapsed_ms" => "[ms]",
        });
    });
}

#[test]
fn evidence_is_limited_and_counts_are_not() {
    let database = Database::migrated();
    database.execute(
        "INSERT INTO public.llm_usage_log
        (user_id, model, provider, credits_used, success)
        SELECT gen_random_uuid(), 'm', 'p', 0.5, true FROM generate_series(1, 30)",
    );
    let row = [
        ("table", "llm_usage_log"),
        ("actual", "credits_used"),
        ("difference", "credits_used"),
    ];
    let query = "SELECT 'row ' || id AS subject, NULL AS expected, NULL AS actual,
        credits_used AS difference, NULL AS cause, NULL AS detail FROM public.llm_usage_log";
    let folder = Folder::with(&[
        ("own/query.sql", check("query", &[], query)),
        ("own/row.sql", check("row", &row, "credits_used > 0")),
    ]);
    for (limit, shown) in [("0", 0), ("7", 7), ("4000000000", 30)] {
        let arguments = [
            "verify",
            "--area",
            "own",
            "--checks",
            folder.arg(),
            "--evidence",
            limit,
        ];
        let run = creditdb(arguments.iter().chain(&["--format", "json"]))
            .on(&database.url)
            .exits(1);
        let audit = run.json();
        for id in ["query", "row"] {
            let check = result(&audit, id);
            assert_eq!(check["violations"], 30, "{check}");
            assert_eq!(check["at_risk"], "15.00000000", "{check}");
            assert_eq!(
                check["evidence"].as_array().unwrap().len(),
                shown,
                "{check}"
            );
        }
    }
}

#[test]
fn amounts_that_are_not_numbers_are_shown_and_do_not_poison_the_sum() {
    let database = Database::at("1.2.0");
    database.execute(LEDGER);
    database.execute("UPDATE public.credit_transactions SET amount = 'NaN' WHERE amount < 0");
    let text = check(
        "row",
        &[("difference", "amount")],
        "amount = 'NaN' OR amount > 0",
    );
    let audit = verify_own(&database, &own_check(text), 1);
    let it = result(&audit, "it");
    assert_eq!(
        (&it["violations"], &it["at_risk"]),
        (&2.into(), &"100.00000000".into())
    );
    assert_eq!(it["evidence"][1]["actual"], "NaN");
    assert_eq!(it["evidence"][1]["difference"], serde_json::Value::Null);
}

#[test]
fn information_alone_does_not_fail_an_audit() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let text = check("row", &[("severity", "info")], "amount > 0");
    let audit = verify_own(&database, &own_check(text), 0);
    assert_eq!(audit["verdict"], "clean");
    assert_eq!(result(&audit, "it")["violations"], 1);
}

#[test]
fn text_from_the_database_cannot_move_the_cursor() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let text = check("row", &[("actual", r"E'\x1b[2J\nCLEAN'")], "amount > 0");
    let folder = own_check(text);
    let run = creditdb(["verify", "it", "--checks", folder.arg()])
        .on(&database.url)
        .exits(1);
    assert!(
        run.stdout.contains(r"found \u{1b}[2J\nCLEAN"),
        "{}",
        run.stdout
    );
}

/// A runner of jobs takes commands from the log: GitHub's from the beginning of a line, however far
/// in, older ones and those of Azure from anywhere.
#[test]
fn text_from_the_database_gives_no_commands_to_a_job() {
    let database = Database::migrated();
    database.execute(
        "SELECT public.add_user_credits('00000000-0000-4000-8000-000000000002', 1, 'purchase',
                    reference, NULL)
         FROM unnest(ARRAY['first', repeat('b', 80)
                    || ' ::stop-commands::x ##[add-mask]y ##vso[task.complete]z']) AS reference",
    );
    let run = creditdb(["verify", "near-duplicate-credit"])
        .on(&database.url)
        .exits(1);
    let shown = r"
      \u{3a}:stop-commands::x ##\u{5b}add-mask]y ##vso\u{5b}task.complete]z
";
    assert!(run.stdout.contains(shown), "{}", run.stdout);
}

/// An escape sequence that never ends would take everything after it along.
#[test]
fn text_from_the_database_hides_nothing_that_comes_after_it() {
    const EVIL: &str = "evil\u{1b}X \u{1b}P \u{9b} \u{7f} \r\n::error::forged";
    let database = Database::migrated();
    database.execute(LEDGER);
    database.execute(
        r"SELECT public.add_user_credits('00000000-0000-4000-8000-000000000002', 1, 'purchase',
                     E'evil\x1bX \x1bP \u009b \x7f \r\n::error::forged', NULL)",
    );
    let text = check("row", &[("actual", "reference_id")], "amount = 1");
    let folder = Folder::with(&[("own/a.sql", &text), ("own/b.sql", &text)]);
    let arguments = ["verify", "a", "b", "--checks", folder.arg()];
    let run = creditdb(arguments)
        .args(["--format=github", "--output=json=own.json"])
        .within(folder.path())
        .on(&database.url)
        .exits(1);
    let shown = r"actual evil\u{1b}X \u{1b}P \u{9b} \u{7f} \r\n::error::forged%0A";
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", run.stdout);
    for (line, id) in lines.iter().zip(["a", "b"]) {
        assert!(line.starts_with(&format!("::error title={id}::")), "{line}");
        assert!(
            line.contains(shown) && line.ends_with("remedy: do something"),
            "{line}"
        );
    }
    let file = std::fs::read_to_string(folder.path().join("own.json")).unwrap();
    let stdout = creditdb(arguments)
        .args(["--format", "json"])
        .on(&database.url)
        .exits(1)
        .stdout;
    for json in [file, stdout] {
        let audit = serde_json::from_str(&json).unwrap();
        for id in ["a", "b"] {
            assert_eq!(result(&audit, id)["evidence"][0]["actual"], EVIL);
        }
    }
}

/// Two rows of one request differ in nothing else.
#[test]
fn annotations_have_all_that_is_known_of_a_row() {
    let database = Database::migrated();
    database.execute(LEDGER);
    let query = "SELECT 'request 1' AS subject, '1 row' AS expected, '2 rows' AS actual,
        n * 0.50 AS difference, 'twice' AS cause, 'log row ' || n AS detail
        FROM generate_series(1, 2) AS n";
    let folder = own_check(check("query", &[], query));
    let run = creditdb(["verify", "it", "--format=github", "--checks", folder.arg()])
        .on(&database.url)
        .exits(1);
    for row in [
        "0.5, cause twice, detail log row 1",
        "1, cause twice, detail log row 2",
    ] {
        let line = format!("%0Arequest 1, expected 1 row, actual 2 rows, difference {row}%0A");
        assert!(run.stdout.contains(&line), "{}", run.stdout);
    }
}

/// The command that shows the rest knows the check.
#[test]
fn the_command_for_more_evidence_names_the_folder_of_the_check() {
    let database = Database::migrated();
    let query = "SELECT 'row ' || n AS subject, NULL AS expected, NULL AS actual,
        NULL::numeric AS difference, NULL AS cause, NULL AS detail
        FROM generate_series(1, 9) AS n";
    let folder = Folder::with(&[("a b/own/it.sql", check("query", &[], query))]);
    let run = creditdb(["verify", "it", "--checks", "a b"])
        .within(folder.path())
        .on(&database.url)
        .exits(1);
    let words = "… and 4 more: creditdb verify it --checks 'a b' --evidence 9 --format json";
    assert!(run.stdout.contains(words), "{}", run.stdout);
}
