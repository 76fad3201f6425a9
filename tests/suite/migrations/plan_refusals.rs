//! What `migrate` would refuse before its first statement, `plan` says, with the same exit code.

use super::{exists, migrate};
use crate::support::folder::Folder;
use crate::support::program::{Run, creditdb};
use crate::support::server::Database;

const FORMATS: [&str; 4] = ["text", "json", "github", "sql"];

fn plan(database: &Database, format: &str) -> Run {
    creditdb(["plan", "--format", format])
        .on(&database.url)
        .run()
}

/// Every format names what stands in the way, and exits as `migrate` does.
fn is_refused(database: &Database, words: &[&str]) {
    let migrate = creditdb(["migrate"]).on(&database.url).exits(4);
    for format in FORMATS {
        let run = plan(database, format);
        assert_eq!(run.code, 4, "{format}: {}{}", run.stdout, run.stderr);
        for word in words {
            assert!(run.stdout.contains(word), "{format}: {}", run.stdout);
            assert!(migrate.stderr.contains(word), "{}", migrate.stderr);
        }
    }
}

#[test]
fn a_schema_that_is_not_there_is_told() {
    let database = Database::empty();
    database.execute("DROP SCHEMA public");
    is_refused(&database, &["there is no schema public"]);
    assert_eq!(
        plan(&database, "json").json()["problems"][0]["code"],
        "schema"
    );
}

#[test]
fn rows_that_a_file_does_not_let_pass_are_told() {
    let database = Database::at("1.0.0");
    database.execute(
        "INSERT INTO llm_usage_log (user_id, request_id, model, provider, success)
         SELECT '00000000-0000-4000-8000-000000000001', 'req_1', 'm', 'p', true
           FROM generate_series(1, 2)",
    );
    is_refused(
        &database,
        &[
            "V22__index_requests.sql",
            "request-id-duplicate: 1 violation",
        ],
    );
    let json = plan(&database, "json").json();
    assert_eq!(json["state"], "refused");
    assert_eq!(json["problems"][0]["code"], "rows");
    let folder = Folder::with(&[("none", "")]);
    let out = folder.path().join("plan.json");
    creditdb(["plan", "--out", out.to_str().unwrap()])
        .on(&database.url)
        .exits(4);
    assert!(!out.exists(), "nobody can follow it");
    // What comes before is not held up.
    creditdb(["plan", "--to", "21"])
        .on(&database.url)
        .succeeds();
}

/// Before the first file there are no tables to ask, and rows that are right are no reason.
#[test]
fn where_nothing_is_in_the_way_nothing_is_said() {
    for database in [Database::empty(), Database::at("1.0.0")] {
        let run = plan(&database, "json");
        assert_eq!(run.code, 0, "{}", run.stderr);
        let json = run.json();
        assert_eq!(json["state"], "pending");
        assert_eq!(json["problems"].as_array().unwrap().len(), 0, "{json}");
        assert!(json.get("remarks").is_none(), "{json}");
    }
}

/// A plan is for a reviewer, too, who may read and nothing else.
#[test]
fn privileges_of_the_role_that_plans_are_a_remark() {
    let folder = Folder::with(&[("V1__t.sql", "CREATE TABLE t (i int);")]);
    let database = Database::empty();
    migrate(&folder, &database).succeeds();
    folder.write("V2__column.sql", "ALTER TABLE t ADD COLUMN j int;");
    let role = format!("reviewer_of_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    let runs = FORMATS.map(|format| {
        creditdb(["plan", "--format", format, "--migrations", folder.arg()])
            .on(&url)
            .run()
    });
    let refused = migrate(&folder, &database).on(&url).run();
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    for run in runs {
        assert_eq!(run.code, 0, "{}", run.stderr);
        let words = "t: only its owner, postgres, may change or drop it";
        assert!(run.stdout.contains(words), "{}", run.stdout);
    }
    assert!(exists(&database, "t"));
}

/// Whoever may not read the rows cannot say whether they let a file pass.
#[test]
fn a_check_that_cannot_be_evaluated_is_a_remark() {
    let database = Database::at("1.0.0");
    let role = format!("blind_in_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN;
         GRANT SELECT ON refinery_schema_history, schema_version TO {role}"
    ));
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    let run = creditdb(["plan", "--format", "json"]).on(&url).run();
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let json = run.json();
    let remarks = json["remarks"].as_array().unwrap();
    assert!(
        remarks.iter().any(|remark| remark["code"] == "undecided"),
        "{json}"
    );
}
