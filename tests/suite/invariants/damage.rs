//! Every check proves that it can fail, and that it can stay silent.
//!
//! `tests/fixtures/damage/<area>/<id>.sql` damages a migrated database in four acts, one after
//! the other: `-- act: healthy`, `-- act: look-alike` (unusual, but right), `-- act: broken`, and
//! `-- act: repaired`. After each, `creditdb verify <id> --distrust` must tell the truth. In the
//! broken act, `-- expect: violations=N cause=WORD` (either alone is fine) says more exactly what
//! must be found; several causes are separated by commas, in the order of the evidence.
//!
//! The damage is planted by the owner of the tables, who switches off the trigger that keeps
//! entries as they are. What a constraint forbids from some schema version on can be planted in an
//! earlier one only: `-- schema: 1.0.0` at the top says in which. With `-- state: …` at the top, a
//! whole audit seals the first act before it is judged, and every judgement gets its state.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use postgres::Client;
use serde_json::Value;

use super::naive;
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;

const ACTS: [&str; 4] = ["healthy", "look-alike", "broken", "repaired"];

/// Fixtures that run at the same time; the server and the program share the machine's cores.
const WORKERS: usize = 4;

struct Fixture {
    /// `area/id`.
    name: String,
    path: PathBuf,
}

impl Fixture {
    fn id(&self) -> &str {
        self.name.split_once('/').unwrap().1
    }
}

#[test]
fn every_check_has_a_fixture_and_tells_the_truth_in_each_act() {
    let list = creditdb(["list", "--format", "json"]).succeeds().json();
    let checks: BTreeSet<String> = list["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .collect();
    let fixtures = fixtures();
    let names: BTreeSet<String> = fixtures.iter().map(|f| f.name.clone()).collect();
    let mut failures: Vec<String> = Vec::new();
    failures.extend(
        checks
            .difference(&names)
            .map(|c| format!("{c}: has no fixture")),
    );
    failures.extend(
        names
            .difference(&checks)
            .map(|f| format!("{f}: has no check")),
    );
    // CREDITDB_FIXTURE=<part of a name> runs some of them, while one is being written.
    let part = std::env::var("CREDITDB_FIXTURE").unwrap_or_default();
    let chosen: Vec<&Fixture> = fixtures
        .iter()
        .filter(|f| checks.contains(&f.name) && f.name.contains(&part))
        .collect();
    let queue = Mutex::new(chosen.iter());
    let found = Mutex::new(&mut failures);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(fixture) = { queue.lock().unwrap().next() } {
                    if let Err(failure) = run(fixture) {
                        found
                            .lock()
                            .unwrap()
                            .push(format!("{}: {failure}", fixture.name));
                    }
                }
            });
        }
    });
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {} checks:\n{}",
        failures.len(),
        checks.len(),
        failures.join("\n")
    );
}

fn name(check: &Value) -> String {
    let word = |key: &str| check[key].as_str().unwrap().to_owned();
    format!("{}/{}", word("area"), word("id"))
}

fn fixtures() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/damage");
    let mut fixtures = Vec::new();
    for area in fs::read_dir(root).unwrap().map(|e| e.unwrap().path()) {
        for path in fs::read_dir(&area).unwrap().map(|e| e.unwrap().path()) {
            let area = area.file_name().unwrap().to_string_lossy();
            let id = path.file_stem().unwrap().to_string_lossy();
            let name = format!("{area}/{id}");
            fixtures.push(Fixture { name, path });
        }
    }
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    fixtures
}

/// Plays the acts; the failure says which one, and what was said instead.
fn run(fixture: &Fixture) -> Result<(), String> {
    let text = fs::read_to_string(&fixture.path).map_err(|e| e.to_string())?;
    let acts = acts(&text)?;
    let schema = text.lines().find_map(|l| l.strip_prefix("-- schema: "));
    let database = schema.map_or_else(Database::migrated, Database::at);
    let folder = Folder::with::<&str>(&[]);
    let state = text
        .contains("\n-- state: ")
        .then(|| format!("--state={}/it", folder.arg()));
    for (act, sql) in ACTS.iter().zip(acts) {
        let at = |what: String| format!("{act}: {what}");
        let done = editing(&mut database.connect(), &sql);
        done.map_err(|e| at(format!("the SQL failed: {e:?}")))?;
        if let (Some(state), true) = (&state, *act == "healthy") {
            creditdb(["verify", state]).on(&database.url).succeeds();
        }
        judge(
            fixture.id(),
            &database,
            state.as_ref(),
            *act == "broken",
            &sql,
        )
        .map_err(at)?;
    }
    Ok(())
}

/// Runs an act in a session that may edit entries.
fn editing(client: &mut Client, sql: &str) -> Result<(), postgres::Error> {
    let trigger = "SELECT EXISTS (SELECT FROM pg_trigger
                                   WHERE tgname = 'credit_transactions_keep_entries')";
    let switch = |client: &mut Client, word: &str| {
        client.batch_execute(&format!(
            "ALTER TABLE public.credit_transactions {word} TRIGGER credit_transactions_keep_entries"
        ))
    };
    if !client.query_one(trigger, &[])?.get::<_, bool>(0) {
        return client.batch_execute(sql);
    }
    switch(client, "DISABLE")?;
    client.batch_execute(sql)?;
    switch(client, "ENABLE")
}

/// The SQL of the four acts.
fn acts(text: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = text.split("-- act: ").skip(1).collect();
    let titles: Vec<&str> = parts
        .iter()
        .map(|p| p.lines().next().unwrap().trim())
        .collect();
    if titles != ACTS {
        return Err(format!("the acts are {titles:?}, not {ACTS:?}"));
    }
    let body = |part: &&str| part.split_once('\n').map_or("", |(_, sql)| sql).to_owned();
    Ok(parts.iter().map(body).collect())
}

/// Runs the program and compares its verdict with the act.
fn judge(
    id: &str,
    database: &Database,
    state: Option<&String>,
    broken: bool,
    sql: &str,
) -> Result<(), String> {
    let arguments = ["verify", id, "--distrust", "--format", "json"];
    let run = creditdb(arguments).args(state).on(&database.url).run();
    let audit: Value = serde_json::from_str(&run.stdout)
        .map_err(|e| format!("{e}: exit {}, {}{}", run.code, run.stdout, run.stderr))?;
    let check = &audit["checks"][0];
    let status = check["status"].as_str().unwrap_or_default();
    let expected = if broken { "violated" } else { "holds" };
    if status != expected || check["id"] != id {
        return Err(format!("\"{status}\" instead of \"{expected}\": {check}"));
    }
    let numbered = audit["database"]["schema_version"] != "1.0.0";
    if naive::verdict(&mut database.connect(), numbered, id) == Some(!broken) {
        return Err("the naive query says otherwise".to_owned());
    }
    let code = i32::from(broken && check["severity"] != "info");
    if run.code != code {
        return Err(format!("exit {} instead of {code}", run.code));
    }
    if broken { found(check, sql) } else { Ok(()) }
}

/// Compares what was found with the `expect` line, where there is one.
fn found(check: &Value, sql: &str) -> Result<(), String> {
    let evidence = check["evidence"].as_array().unwrap();
    if evidence.is_empty() || evidence.iter().any(|e| e["subject"] == "") {
        return Err(format!("no evidence, or without a subject: {check}"));
    }
    let expectation = sql.lines().find_map(|l| l.strip_prefix("-- expect: "));
    for word in expectation.unwrap_or_default().split_whitespace() {
        let (is, due) = match word.split_once('=') {
            Some(("violations", n)) => (check["violations"].to_string(), n),
            Some(("cause", causes)) => {
                let causes_found = evidence
                    .iter()
                    .map(|e| e["cause"].as_str().unwrap_or("none"));
                let mut found: Vec<&str> = causes_found.collect();
                // One word stands for all of them.
                if !causes.contains(',') {
                    found.dedup();
                }
                (found.join(","), causes)
            }
            _ => return Err(format!("cannot read \"-- expect: {word}\"")),
        };
        if is != due {
            return Err(format!("{word}, but found {is}: {check}"));
        }
    }
    Ok(())
}
