//! The embedded catalogues against a real run of the migrations, on the major under test. To write
//! them after a new migration: `ci/generate.sh`, or this test with `CREDITDB_REGENERATE=1`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use creditdb::catalogue::{self, Catalogue, Step};
use postgres::Client;

use crate::support::program::creditdb;
use crate::support::server::{Database, server};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migrations/expected")
}

fn read(client: &mut Client) -> Catalogue {
    let mut transaction = client.transaction().unwrap();
    catalogue::read(&mut transaction, None).unwrap()
}

fn step(text: &str) -> Step {
    serde_json::from_str(text).unwrap()
}

/// File name and text of each version's step.
fn steps() -> BTreeMap<String, String> {
    let database = Database::empty();
    let mut client = database.connect();
    let status = creditdb(["status", "--format", "json"]).on(&database.url);
    let versions = status.succeeds().json()["migrations"].clone();
    let mut before = Catalogue::default();
    let mut steps = BTreeMap::new();
    for migration in versions.as_array().unwrap() {
        let version = migration["version"].to_string();
        creditdb(["migrate", "--to", &version])
            .on(&database.url)
            .succeeds();
        let after = read(&mut client);
        let made = Step::between(&before, &after);
        let mut again = before.clone();
        let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
        let parsed = step(&text);
        assert_eq!(parsed, made, "the text of V{version} says something else");
        parsed.apply(&mut again);
        assert_eq!(Step::between(&again, &after), Step::default());
        steps.insert(format!("V{version}.json"), text);
        before = after;
    }
    steps
}

#[test]
fn each_version_has_its_expected_catalogue_on_every_major() {
    let steps = steps();
    let files = || fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path());
    if std::env::var_os("CREDITDB_REGENERATE").is_some() {
        files().for_each(|file| fs::remove_file(file).unwrap());
        for (name, text) in &steps {
            fs::write(folder().join(name), text).unwrap();
        }
    }
    let found: BTreeMap<String, String> = files()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&steps), "run ci/generate.sh");
    let (mut expected, mut made) = (Catalogue::default(), Catalogue::default());
    for (name, text) in &steps {
        step(&found[name]).apply(&mut expected);
        step(text).apply(&mut made);
        let differences = catalogue::compare(&expected, &made, None);
        assert!(
            differences.is_empty(),
            "{name}: {differences:?}; run ci/generate.sh"
        );
        // Before 16, the query of a view is another text that says the same.
        let mut lines = found[name].lines().zip(text.lines()).enumerate();
        let first = lines.find(|(_, (found, made))| found != made);
        let same = &found[name] == text || server().major() < 16;
        assert!(same, "{name}: {first:?}; run ci/generate.sh");
    }
}
