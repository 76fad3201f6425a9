//! Where a database stands between its history and a set of files, and what speaks against
//! going on. Reads only, in one read-only transaction.

use std::collections::BTreeSet;

use postgres::{Client, Transaction};

use super::edits;
use super::half_done;
use super::history::{History, Place, Row};
use super::log::Log;
use super::set::{File, Set};
use crate::db::session;
use crate::error::{Error, Result};
use crate::report::{MigrationState, MigrationStatus, Problem, Status, StatusState};
use crate::syntax::Script;

/// The comparison of a history with a set.
pub(super) struct Standing {
    pub status: Status,
    pub history: History,
    pub log: Log,
    /// Versions that wait, ascending.
    pub pending: Vec<i32>,
}

/// Compares the history of a database with a set of files; changes nothing.
///
/// # Errors
/// What the server says, such as a missing privilege.
pub fn status(client: &mut Client, set: &Set) -> Result<Status> {
    Ok(inspect(client, set)?.status)
}

pub(super) fn inspect(client: &mut Client, set: &Set) -> Result<Standing> {
    let mut transaction = session::read_only(client)?;
    let standing = inspect_within(&mut transaction, set)?;
    transaction.commit()?;
    Ok(standing)
}

/// The same within a transaction that asks more.
pub(super) fn inspect_within(transaction: &mut Transaction<'_>, set: &Set) -> Result<Standing> {
    let place = Place::find(transaction, set.history_schema)?;
    let mut queries = vec![place.rows_query(), Log::rows_query(&place)];
    if place.has_schema_version {
        queries.push(session::NEWEST_SCHEMA_VERSION.to_owned());
    }
    let answers = session::rows_of_each(transaction, &queries)
        .map_err(|e| Error::from(e).during("reading the history"))?;
    let rows = |at: usize| answers.get(at).map_or(&[][..], Vec::as_slice);
    let log = Log::of(&place, rows(1));
    let schema_version = session::single(rows(2));
    let history = History::of(&place, rows(0))?;
    let mut problems = set.problems.clone();
    let is_pending = |file: &&File| history.find(file.version()).is_none();
    problems.extend(set.files.iter().filter(is_pending).flat_map(File::problems));
    problems.extend(divergences(set, &history, &log));
    problems.extend(half_done::changed_modes(set, &history, &log));
    // What a file that was cut off has made is ours.
    let strangers = if history.rows.is_empty() && log.half_done(&history).is_empty() {
        existing_tables(transaction, set)?
    } else {
        Vec::new()
    };
    problems.extend(unmanaged(set, &strangers));
    let (unfinished, is_running) = half_done::problems(transaction, set, &history, &log)?;

    let pending: Vec<i32> = set
        .files
        .iter()
        .map(File::version)
        .filter(|v| history.find(*v).is_none())
        .collect();
    let state = match (problems.is_empty(), pending.is_empty()) {
        _ if !strangers.is_empty() => StatusState::Unmanaged,
        (false, _) => StatusState::Refused,
        _ if !unfinished.is_empty() && !is_running => StatusState::HalfDone,
        (true, false) => StatusState::Pending,
        (true, true) => StatusState::Current,
    };
    let migrations = lines(set, &history);
    let status = Status {
        state,
        schema_version,
        migrations,
        problems,
        unfinished,
        commands: set.commands.clone(),
    };
    Ok(Standing {
        status,
        history,
        log,
        pending,
    })
}

fn lines(set: &Set, history: &History) -> Vec<MigrationStatus> {
    let versions: BTreeSet<i32> = set
        .files
        .iter()
        .map(File::version)
        .chain(history.rows.iter().map(|r| r.version))
        .collect();
    let line = |version: i32| {
        let (file, row) = (set.find(version), history.find(version));
        let (state, name) = match (file, row) {
            (Some(file), Some(row)) if differs(file, row) => {
                (MigrationState::Edited, &row.name[..])
            }
            (_, Some(row)) if file.is_some() => (MigrationState::Applied, &row.name[..]),
            (_, Some(row)) if set.newest().is_none_or(|newest| row.version > newest) => {
                (MigrationState::Newer, &row.name[..])
            }
            (_, Some(row)) => (MigrationState::Missing, &row.name[..]),
            (file, None) => (
                MigrationState::Pending,
                file.map_or("", |file| file.migration.name()),
            ),
        };
        let applied_on = row.map(|row| row.applied_on.clone());
        MigrationStatus {
            version,
            name: name.to_owned(),
            state,
            applied_on,
        }
    };
    versions.into_iter().map(line).collect()
}

pub(super) fn differs(file: &File, row: &Row) -> bool {
    file.migration.checksum() != row.checksum || file.migration.name() != row.name
}

/// What refinery would stop at one by one, or pass over in silence.
fn divergences(set: &Set, history: &History, log: &Log) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |code, version, message, hint| {
        problems.push(Problem {
            code,
            version: Some(version),
            message,
            hint,
        });
    };
    for row in &history.rows {
        let version = row.version;
        match set.find(version) {
            Some(file) if differs(file, row) => {
                let (message, hint) = edits::tell(set, file, row, log);
                add("edited", version, message, hint);
            }
            Some(_) => {}
            None if set.newest().is_none_or(|newest| version > newest) => add(
                "newer",
                version,
                format!(
                    "the database is newer than {}: V{version}__{} is applied",
                    set.origin, row.name
                ),
                NEWER.to_owned(),
            ),
            None => add(
                "missing",
                version,
                format!(
                    "V{version}__{}, applied on {}, is missing from {}",
                    row.name, row.applied_on, set.origin
                ),
                format!("restore the file: git log --diff-filter=D --summary -- '*V{version}__*'"),
            ),
        }
    }
    let newest = history.newest();
    let late = |file: &&File| {
        file.is_versioned()
            && history.find(file.version()).is_none()
            && newest.is_some_and(|newest| file.version() < newest)
    };
    for file in set.files.iter().filter(late) {
        add(
            "out_of_order",
            file.version(),
            format!(
                "\"{}\" is not applied, but the newer version {} is",
                file.path,
                newest.unwrap_or_default()
            ),
            place_for(set, history),
        );
    }
    problems
}

/// What to do about a file below the newest applied version. Nobody can give a migration of the
/// program another number: there it is the history that is wrong.
fn place_for(set: &Set, history: &History) -> String {
    let (known, applied) = (set.newest(), history.newest());
    if !set.is_embedded() {
        let newest = known.max(applied).unwrap_or_default();
        return format!("give it a number above {newest}");
    }
    if applied > known {
        return NEWER.to_owned();
    }
    format!(
        "creditdb drift shows whether what it makes is there; if so, its row in {} was lost: \
         restore it from a backup",
        history.table
    )
}

/// The next step where the database knows more than the program.
const NEWER: &str = "run the version of the program that made this database, or a newer one";

/// Tables that the set would create and that exist although nothing is recorded.
fn existing_tables(transaction: &mut Transaction<'_>, set: &Set) -> Result<Vec<String>> {
    let names: Vec<String> = set
        .files
        .iter()
        .flat_map(|file| Script::parse(file.sql()).created_tables())
        .collect();
    let query = "SELECT name FROM unnest($1::text[]) AS name
                  WHERE pg_catalog.to_regclass(name) IS NOT NULL ORDER BY name";
    Ok(transaction
        .query(query, &[&names])?
        .iter()
        .map(|row| row.get(0))
        .collect())
}

fn unmanaged(set: &Set, tables: &[String]) -> Option<Problem> {
    (!tables.is_empty()).then(|| Problem {
        code: "unmanaged",
        version: None,
        message: format!(
            "nothing is recorded as applied, but these tables exist: {}",
            tables.join(", ")
        ),
        hint: format!(
            "{} --detect takes over tables that are as the migrations make them; or restore the \
             history table from their backup, or name an empty database",
            set.command("adopt")
        ),
    })
}
