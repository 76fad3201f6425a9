//! The catalogue that the migrations up to a version make: embedded for the embedded set, by a
//! replay on a private throw-away server for any set.
//!
//! The embedded steps are in `expected/V<N>.json`. A test compares them with a real run on every
//! major, and `ci/generate.sh` writes them.

use std::time::Duration;

use postgres::Client;

use super::apply::migrate;
use super::ground::Ground;
use super::options::Options;
use super::set::Set;
use crate::catalogue::{self, Catalogue, Step};
use crate::db::session::{self, SchemaVersion};
use crate::db::throwaway::{self, Throwaway};
use crate::error::{Error, Result};
use crate::report::Progress;

include!(concat!(env!("OUT_DIR"), "/expected.rs"));

/// The catalogue of the embedded migrations up to a version.
///
/// # Errors
/// A version that this build does not know.
pub(super) fn embedded(version: i32) -> Result<Catalogue> {
    let mut known = all_embedded(&[version])?;
    let catalogue = known.pop().map(|(_, catalogue)| catalogue);
    catalogue.ok_or_else(|| unknown(version))
}

/// The catalogues of the given versions of the embedded migrations, ascending.
///
/// # Errors
/// A version that this build does not know.
pub(super) fn all_embedded(versions: &[i32]) -> Result<Vec<(i32, Catalogue)>> {
    let mut steps: Vec<_> = STEPS.iter().collect();
    steps.sort_by_key(|(version, _)| *version);
    let mut catalogue = Catalogue::default();
    let mut known = Vec::new();
    for (version, text) in steps {
        let step: Step = serde_json::from_str(text).map_err(|error| {
            Error::undecided(format!("expected/V{version}.json cannot be read: {error}"))
        })?;
        step.apply(&mut catalogue);
        if versions.contains(version) {
            known.push((*version, catalogue.clone()));
        }
    }
    let is_known = |version: &&i32| known.iter().any(|(other, _)| other == *version);
    match versions.iter().find(|version| !is_known(version)) {
        Some(version) => Err(unknown(*version)),
        None => Ok(known),
    }
}

fn unknown(version: i32) -> Error {
    let message = format!("this build does not know the catalogue of version {version}");
    Error::undecided(message)
        .hint("run the version of the program that made this database, or a newer one")
}

/// A version that was replayed.
pub(super) struct Replayed {
    pub version: i32,
    pub catalogue: Catalogue,
    /// Of [`session::schema_versions`].
    pub schema_versions: Option<Vec<SchemaVersion>>,
}

const TRIAL: &str = "all of this on the throw-away server: the database itself was not touched";

/// Applies the migrations of a set on a private throw-away server, on the ground that the live
/// database gives, and reads what is there after each of the given versions, ascending.
///
/// # Errors
/// No server binaries, or a migration that fails there.
pub(super) fn replay(
    set: &Set,
    versions: &[i32],
    ground: &Ground,
    progress: &dyn Progress,
) -> Result<Vec<Replayed>> {
    progress.remark("replaying the migrations on a private throw-away server");
    let doing = "replaying the migrations";
    let path = ground.search_path.iter();
    let settings = throwaway::Options {
        settings: path
            .map(|path| ("search_path".to_owned(), path.clone()))
            .collect(),
        ..throwaway::Options::default()
    };
    let server = Throwaway::start(&settings).map_err(|e| e.during(doing))?;
    let target = server.target("postgres")?;
    let mut client = target.connect()?;
    prepare(&mut client, ground)?;
    let mut replayed = Vec::new();
    for version in versions {
        let options = Options {
            to: Some(*version),
            wait: Duration::ZERO,
            ..Options::default()
        };
        migrate(&target, || Ok(set), &options, &Silent)
            .map_err(|error| error.during(doing).of_trial(TRIAL))?;
        let mut found = look(&mut client, *version)?;
        for schema in ground.schemas.iter().filter(|schema| *schema != "public") {
            found.catalogue.give(schema);
        }
        replayed.push(found);
    }
    Ok(replayed)
}

/// A file may take on each of the roles, and nobody knows what it was allowed to do.
fn prepare(client: &mut Client, ground: &Ground) -> Result<()> {
    for role in &ground.roles {
        client.batch_execute(&format!(
            "DO $$ BEGIN CREATE ROLE {role} SUPERUSER;
             EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        ))?;
    }
    for schema in &ground.schemas {
        client.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))?;
    }
    Ok(())
}

fn look(client: &mut Client, version: i32) -> Result<Replayed> {
    let mut transaction = session::read_only(client)?;
    let catalogue = catalogue::read(&mut transaction, None)?;
    let schema_versions = session::schema_versions(&mut transaction)?;
    Ok(Replayed {
        version,
        catalogue,
        schema_versions,
    })
}

/// The progress of a replay is of no interest.
pub(super) struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _steps: u64) {}
    fn advance(&self, _steps: u64) {}
    fn at(&self, _done: u64, _steps: u64) {}
    fn end(&self) {}
    fn remark(&self, _line: &str) {}
}
