//! A plan that was written to a file, and whether it still holds.

use std::collections::BTreeMap;
use std::path::Path;

use postgres::Client;
use serde::Deserialize;

use super::{LOCK_TIMEOUT, fingerprint, work};
use crate::db::session;
use crate::error::{Error, Result};
use crate::files;
use crate::migrations::set::Set;
use crate::migrations::standing::Standing;
use crate::report::Fingerprint;

/// Objects that a refusal names before it says "and more".
const NAMED_OBJECTS: usize = 10;

/// What `plan --out` wrote, as far as `migrate --plan` needs it.
#[derive(Clone, Debug)]
pub struct SavedPlan {
    path: String,
    fingerprint: Fingerprint,
    versions: Vec<i32>,
    to: Option<i32>,
}

#[derive(Deserialize)]
struct Document {
    version: u32,
    to: Option<i32>,
    files: Vec<DocumentFile>,
    fingerprint: DocumentFingerprint,
}

#[derive(Deserialize)]
struct DocumentFile {
    version: i32,
}

#[derive(Deserialize)]
struct DocumentFingerprint {
    catalogue: String,
    history: String,
    files: String,
    objects: BTreeMap<String, String>,
}

impl SavedPlan {
    /// Reads the file that `plan --out` wrote.
    ///
    /// # Errors
    /// A file that cannot be read, or is no plan.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let text = files::read(path)?;
        let not_a_plan = |why: String| {
            Error::usage(format!("\"{shown}\" is not a plan: {why}"))
                .hint("creditdb plan --out FILE writes one")
        };
        let document: Document =
            serde_json::from_str(&text).map_err(|error| not_a_plan(error.to_string()))?;
        if document.version != 1 {
            let version = document.version;
            return Err(not_a_plan(format!(
                "its format is version {version}, known is 1"
            )));
        }
        let fingerprint = document.fingerprint;
        Ok(Self {
            path: shown,
            versions: document.files.iter().map(|file| file.version).collect(),
            to: document.to,
            fingerprint: Fingerprint {
                catalogue: fingerprint.catalogue,
                history: fingerprint.history,
                files: fingerprint.files,
                objects: fingerprint.objects.into_iter().collect(),
            },
        })
    }

    /// The version that it was made to end with.
    pub(in crate::migrations) fn to(&self) -> Option<i32> {
        self.to
    }
}

/// Whether the catalogue, the history and the files are still those that a plan was made from.
///
/// # Errors
/// Refused, naming what changed.
pub(in crate::migrations) fn check(
    client: &mut Client,
    set: &Set,
    standing: &Standing,
    saved: Option<&SavedPlan>,
    to: Option<i32>,
) -> Result<()> {
    let Some(saved) = saved else { return Ok(()) };
    let mut transaction = session::read_only(client)?;
    transaction.batch_execute(LOCK_TIMEOUT)?;
    let work = work(set, standing, to);
    let now = fingerprint::take(&mut transaction, &standing.history, &work)?;
    transaction.commit()?;
    let then = &saved.fingerprint;
    let mut changes = Vec::new();
    if then.history != now.history {
        let at = standing
            .history
            .newest()
            .map_or("empty".to_owned(), |v| format!("at version {v}"));
        changes.push(format!("- the history: it is now {at}"));
    }
    if then.files != now.files {
        let list = |versions: Vec<i32>| {
            let words: Vec<String> = versions.iter().map(ToString::to_string).collect();
            if words.is_empty() {
                "none".to_owned()
            } else {
                words.join(", ")
            }
        };
        let planned = list(saved.versions.clone());
        let found = list(work.iter().map(|file| file.version()).collect());
        let what = if planned == found {
            format!("the text of one of them ({planned}) was edited")
        } else {
            format!("planned were {planned}, pending are {found}")
        };
        changes.push(format!("- the files: {what}"));
    }
    if then.catalogue != now.catalogue {
        changes.push(format!(
            "- the catalogue: {}",
            objects(&then.objects, &now.objects)
        ));
    }
    if changes.is_empty() {
        return Ok(());
    }
    let primary = format!(
        "refused to migrate: \"{}\" is not the plan for this any more",
        saved.path
    );
    let error = changes
        .into_iter()
        .fold(Error::refused(primary), Error::detail);
    Err(error
        .detail("nothing was changed")
        .hint(set.command("plan") + " --out FILE makes a new one; review it again"))
}

/// Which objects came, went or changed.
fn objects(then: &[(String, String)], now: &[(String, String)]) -> String {
    let then: BTreeMap<_, _> = then.iter().map(|(o, h)| (o, h)).collect();
    let now: BTreeMap<_, _> = now.iter().map(|(o, h)| (o, h)).collect();
    let gone = then.keys().filter(|o| !now.contains_key(*o));
    let mut changed: Vec<String> = gone.map(|o| format!("{o} is gone")).collect();
    for (object, hash) in &now {
        match then.get(object) {
            None => changed.push(format!("{object} is new")),
            Some(before) if before != hash => changed.push(format!("{object} is different")),
            Some(_) => {}
        }
    }
    let more = changed.len().saturating_sub(NAMED_OBJECTS);
    changed.truncate(NAMED_OBJECTS);
    if more > 0 {
        changed.push(format!("and {more} more"));
    }
    changed.join(", ")
}
