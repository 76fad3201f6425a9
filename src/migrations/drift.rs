//! The live catalogue against the one that the migrations make at the recorded version. Pending
//! files are not drift, and neither is another person's reading of them: nothing is executed here.

use std::collections::BTreeSet;

use postgres::{Client, Transaction};

use super::ground::Ground;
use super::history::{History, Place, Row};
use super::log::{self, Log};
use super::set::{File, Set};
use super::{edits, expected, half_done};
use crate::catalogue::{self, Catalogue, Change, Context, Difference};
use crate::db::session;
use crate::error::{Error, Kind, Result};
use crate::report::{Drift, Nature, Progress, SchemaDifference};

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct DriftOptions {
    /// Whether grants to roles that no migration names count.
    pub strict: bool,
    /// Extra objects (full names) that belong to others, with all of their parts.
    pub ignore: Vec<String>,
}

/// Compares the live catalogue with the expected one; reads only, in one transaction.
///
/// # Errors
/// Refused when nothing is recorded, or what other files than those of the set did; cut off when a
/// file is half done; undecided when one is being applied, and when the server, or a replay of a
/// set that is not embedded, says so.
pub fn drift(
    client: &mut Client,
    set: &Set,
    options: &DriftOptions,
    progress: &dyn Progress,
) -> Result<Drift> {
    // A replay takes seconds, so it comes before the transaction, which must not idle.
    let replayed = if set.is_embedded() {
        None
    } else {
        client.batch_execute(session::STAY)?;
        // Whatever there is to remark is remarked below, where it counts.
        let mut transaction = session::read_only(client)?;
        let version = recorded(&mut transaction, set, &expected::Silent)?.1;
        transaction.commit()?;
        let ground = Ground::read(client, set)?;
        let mut replayed = expected::replay(set, &[version], &ground, progress)?;
        replayed.pop()
    };
    let mut transaction = session::read_only(client)?;
    let (history, version) = recorded(&mut transaction, set, progress)?;
    let expected = match replayed {
        Some(replayed) if replayed.version == version => replayed.catalogue,
        Some(_) => {
            return Err(
                Error::undecided("the history changed while it was replayed")
                    .hint(format!("run {} again", set.command("drift"))),
            );
        }
        None => expected::embedded(version)?,
    };
    let schema_version = session::schema_version(&mut transaction)?;
    let (database, owner) = names(&mut transaction, &history.table)?;
    let actual = catalogue::read(&mut transaction, Some(&expected.schemas()))?;
    transaction.commit()?;

    let context = Context {
        expected: &expected,
        actual: &actual,
        owner: &owner,
    };
    let found = catalogue::compare(&expected, &actual, Some(&owner));
    for name in &options.ignore {
        // A misspelt name would be missed only when somebody else's object appears as drift.
        let alone = std::slice::from_ref(name);
        if !found.iter().any(|difference| is_ignored(difference, alone)) {
            progress.remark(&format!("--ignore \"{name}\" matches no extra object"));
        }
    }
    let differences = found
        .iter()
        .filter(|difference| !is_ignored(difference, &options.ignore))
        .map(|difference| weigh(difference, &context, options.strict))
        .collect();
    Ok(Drift {
        database,
        version,
        schema_version,
        owner,
        differences,
    })
}

/// The history, and its newest version. The set must have the file of each version, as it was
/// applied: otherwise the schema is what another program made of it, and whatever that program has
/// beyond our files would be told as something to drop.
fn recorded(
    client: &mut Transaction<'_>,
    set: &Set,
    progress: &dyn Progress,
) -> Result<(History, i32)> {
    let place = Place::find(client, set.history_schema)?;
    let history = History::at(&place, client)?;
    let Some(newest) = history.newest() else {
        return Err(
            Error::refused("nothing is recorded as applied, so nothing is expected")
                .detail(format!("there is no history in {}", history.table))
                .hint(format!(
                    "{} --detect, or {} for an empty database",
                    set.command("adopt"),
                    set.command("migrate")
                )),
        );
    };
    if let Some((difference, next)) = edits::first(client, set, &history)? {
        return Err(Error::refused(format!(
            "the history in {} is not that of {}, so nothing is expected",
            history.table, set.origin
        ))
        .detail(difference)
        .hint(next));
    }
    let unknown = |row: &&Row| set.find(row.version).is_none();
    if let Some(row) = history.rows.iter().find(unknown) {
        return Err(Error::refused(format!(
            "V{}__{} is applied, and {} does not have it",
            row.version, row.name, set.origin
        ))
        .hint(set.command("status") + " shows the whole history"));
    }
    if place.has_log {
        refuse_half_done(client, set, (&history, &place), progress)?;
    }
    Ok((history, newest))
}

/// What a file that was cut off has made is no drift: with its removal, the run that completes the
/// file would be of the opinion that it is there.
fn refuse_half_done(
    transaction: &mut Transaction<'_>,
    set: &Set,
    (history, place): (&History, &Place),
    progress: &dyn Progress,
) -> Result<()> {
    let is_pending = |file: &File| history.find(file.version()).is_none();
    if !set.files.iter().any(is_pending) {
        return Ok(());
    }
    let log = log::table(history);
    let query = "SELECT pg_catalog.has_table_privilege($1, 'SELECT')";
    if !transaction.query_one(query, &[&log])?.get::<_, bool>(0) {
        progress.remark(&format!(
            "cannot tell whether a file is half done: GRANT SELECT ON {log}"
        ));
        return Ok(());
    }
    let log = Log::read(transaction, place)?;
    let changed = half_done::changed_modes(set, history, &log);
    let (unfinished, _) = half_done::problems(transaction, set, history, &log)?;
    let Some(first) = changed.iter().chain(&unfinished).next() else {
        return Ok(());
    };
    let kind = match first.code {
        "half_done" => Kind::CutOff,
        "in_progress" => Kind::Undecided,
        _ => Kind::Refused,
    };
    let primary = "a file is not complete, and what it has made is no drift";
    Err(Error::new(kind, primary)
        .detail(&first.message)
        .hint(&first.hint))
}

/// Database, and owner of the history, who should own everything else.
fn names(transaction: &mut Transaction<'_>, history: &str) -> Result<(String, String)> {
    let row = transaction.query_one(
        "SELECT current_database()::text, pg_get_userbyid(relowner)::text
           FROM pg_catalog.pg_class WHERE oid = to_regclass($1)",
        &[&history],
    )?;
    Ok((row.get(0), row.get(1)))
}

fn is_ignored(difference: &Difference, ignore: &[String]) -> bool {
    let is_extra = difference.nature == Nature::Extra;
    let names = |object: &catalogue::Object| {
        ignore.contains(&object.label())
            || object
                .table
                .as_ref()
                .is_some_and(|table| ignore.contains(table))
    };
    is_extra && difference.object().is_some_and(names)
}

/// Comments change nothing, and which roles a deployment has is its own business: a grant to a role
/// that no migration names is told, but does not count. Everything else does.
fn weigh(difference: &Difference, context: &Context<'_>, strict: bool) -> SchemaDifference {
    let known = roles(context.expected);
    let counts = |change: &Change| {
        let grantee = change.property.strip_prefix("grants to ");
        let of_deployment = grantee.is_some_and(|role| !known.contains(role));
        change.property != "comment" && (strict || !of_deployment)
    };
    let counts = difference.changes.is_empty() || difference.changes.iter().any(counts);
    let because = (!counts).then_some("a comment, or a grant to a role of the deployment");
    describe(difference, context, counts, because)
}

/// The roles that the migrations know, with those that every database has.
pub(super) fn roles(expected: &Catalogue) -> BTreeSet<&str> {
    let named = expected.iter().flat_map(|object| object.grants.keys());
    named
        .map(String::as_str)
        .chain(["PUBLIC", "OWNER"])
        .collect()
}

/// A difference as reports have it.
pub(super) fn describe(
    difference: &Difference,
    context: &Context<'_>,
    counts: bool,
    because: Option<&str>,
) -> SchemaDifference {
    SchemaDifference {
        nature: difference.nature,
        kind: difference.object().map_or("", |object| object.kind.word()),
        object: difference
            .object()
            .map_or_else(String::new, catalogue::Object::label),
        counts,
        because: because.map(str::to_owned),
        changes: difference.changes.clone(),
        sql: catalogue::statements(difference, context),
    }
}
