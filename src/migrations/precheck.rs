//! What must hold before a file may run: the header key `precheck` names checks of the audit. A
//! constraint that old rows break would fail after minutes of waiting, in the middle of an upgrade;
//! the audit says so beforehand, and which rows.
//!
//! The audit is no business of this module, so whoever calls [`migrate`](super::migrate) hands it
//! over. A few of the embedded files were released before it was known what can stand in their way;
//! those questions are ours.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use postgres::Client;

use super::set::{File, Set};
use crate::db::session;
use crate::error::{Error, Result, plain, plain_line};
use crate::header::Header;

/// What an invariant's check found.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The check.
    pub id: String,
    /// What should be true.
    pub title: String,
    /// How many rows say otherwise.
    pub violations: u64,
    /// Some of them.
    pub subjects: Vec<String>,
}

/// Whoever evaluates checks.
pub trait Auditor: Send + Sync {
    /// Whether there are such checks.
    ///
    /// # Errors
    /// Wrong usage, where there is one that is none.
    fn know(&self, ids: &[String]) -> Result<()>;

    /// Those that do not hold, on a database at whatever schema version it is.
    ///
    /// # Errors
    /// A check that could not be evaluated.
    fn broken(&self, client: &mut Client, ids: &[String]) -> Result<Vec<Broken>>;
}

/// The audit, as far as migrations need it; by default it finds nothing.
#[derive(Clone, Default)]
pub struct Precheck(Option<Arc<dyn Auditor>>);

impl Precheck {
    /// Lets somebody evaluate the checks.
    pub fn by(auditor: impl Auditor + 'static) -> Self {
        Self(Some(Arc::new(auditor)))
    }
}

impl fmt::Debug for Precheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "by the audit"
        } else {
            "none"
        })
    }
}

/// Whether what is there lets the files pass.
///
/// # Errors
/// Refused, with what does not, or with a file that names no check; undecided when a check
/// could not be evaluated.
pub(super) fn pass(
    precheck: &Precheck,
    client: &mut Client,
    set: &Set,
    files: &[&File],
) -> Result<()> {
    if set.is_embedded() {
        obstacles(client, files)?;
    }
    let Some(auditor) = &precheck.0 else {
        return Ok(());
    };
    // The build looks at those of the embedded files.
    for file in files.iter().filter(|_| !set.is_embedded()) {
        auditor
            .know(&named_by(file))
            .map_err(|error| unfit(file, &error))?;
    }
    let checks: BTreeSet<String> = files.iter().flat_map(|file| named_by(file)).collect();
    // Before the first version there are no rows, and no tables to ask.
    if checks.is_empty() || session::schema_version(client)?.is_none() {
        return Ok(());
    }
    let ids: Vec<String> = checks.into_iter().collect();
    let broken = auditor.broken(client, &ids)?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(refused(&broken, files))
}

/// What else can stand in the way of a version: queries for it in words, with the next step.
const OBSTACLES: [(i32, &str); 2] = [
    (17, include_str!("precheck/V17.sql")),
    (21, include_str!("precheck/V21.sql")),
];

fn obstacles(client: &mut Client, files: &[&File]) -> Result<()> {
    const SHOWN: usize = 5;
    for (version, query) in OBSTACLES {
        let Some(file) = files.iter().find(|file| file.version() == version) else {
            continue;
        };
        if session::schema_version(client)?.is_none() {
            continue;
        }
        let mut transaction = session::read_only(client)?;
        transaction.batch_execute("SET LOCAL statement_timeout = 0")?;
        let found = session::rows(&mut transaction, query)?;
        transaction.commit()?;
        if found.is_empty() {
            continue;
        }
        let path = &file.path;
        let mut error = Error::refused(format!("what is there does not let \"{path}\" pass"));
        let mut steps = Vec::new();
        for row in found.iter().take(SHOWN) {
            let what = row.get(0).unwrap_or_default();
            error = error.detail(format!("- {}", plain(what)));
            steps.extend(row.get(1).filter(|step| !steps.contains(step)));
        }
        if found.len() > SHOWN {
            error = error.detail("  …");
        }
        return Err(error.hint(steps.join("\n")));
    }
    Ok(())
}

fn unfit(file: &File, error: &Error) -> Error {
    let (path, primary) = (&file.path, error.primary());
    Error::refused(format!(
        "\"{path}\" asks for a precheck that cannot be made: {primary}"
    ))
    .detail("its header key precheck names checks of the audit, separated by commas")
    .hint("creditdb list names the checks")
}

/// The checks that a file asks for.
fn named_by(file: &File) -> Vec<String> {
    let header = Header::parse(file.sql());
    let names = header.get("precheck").unwrap_or_default();
    let names = names.split(',').map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

fn refused(broken: &[Broken], files: &[&File]) -> Error {
    let ids: Vec<&str> = broken.iter().map(|b| b.id.as_str()).collect();
    let asking: Vec<String> = files
        .iter()
        .filter(|file| {
            named_by(file)
                .iter()
                .any(|name| ids.contains(&name.as_str()))
        })
        .map(|file| format!("\"{}\"", file.path))
        .collect();
    let mut error = Error::refused(format!(
        "rows that are there do not let {} pass",
        asking.join(", ")
    ));
    for found in broken {
        let violations = match found.violations {
            1 => "1 violation".to_owned(),
            n => format!("{n} violations"),
        };
        let mut lines = format!("- {}: {violations} of \"{}\"", found.id, found.title);
        for subject in &found.subjects {
            lines += &format!("\n    {}", plain_line(subject));
        }
        if found.violations > found.subjects.len() as u64 {
            lines += "\n    …";
        }
        error = error.detail(lines);
    }
    error.hint(format!(
        "creditdb verify --distrust {} shows all of them, and how to repair them",
        ids.join(" ")
    ))
}
