//! Taking over a database that was not made by the migrations, after proving that it might have
//! been: its catalogue is compared with the one that a replay leaves, and only then the history is
//! written, in the same transaction.

mod record;
mod rules;
mod types;

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::{Client, IsolationLevel, Transaction};

use super::drift::describe;
use super::expected::{self, Replayed};
use super::history::History;
use super::options::Options;
use super::set::{File, Set};
use super::standing::inspect;
use super::{lock, preflight};
use crate::catalogue::{self, Catalogue, Context, Kind, Object};
use crate::db::Target;
use crate::db::session::{quote_identifier, schema_version};
use crate::error::{Error, Result};
use crate::report::{Adoption, AdoptionState, Candidate, Progress, SchemaDifference};

/// What to adopt.
#[derive(Clone, Debug)]
pub struct AdoptOptions {
    /// The version that the database is said to be at; all are tried without it.
    pub version: Option<i32>,
    /// How long to wait while a deployer holds the lock.
    pub wait: Duration,
}

/// A version and all that tells the live database apart from it.
struct Comparison<'a> {
    replayed: &'a Replayed,
    differences: Vec<SchemaDifference>,
    /// How many of them later migrations make: signs that this version is too low.
    later: usize,
}

impl Comparison<'_> {
    fn blocking(&self) -> usize {
        self.differences.iter().filter(|d| d.counts).count()
    }

    fn candidate(&self) -> Candidate {
        Candidate {
            version: self.replayed.version,
            blocking: self.blocking(),
            harmless: self.differences.len() - self.blocking(),
        }
    }
}

/// Writes the history of a database whose schema is that of a version, or says what forbids it.
///
/// # Errors
/// Refused when a history is there that says something else, when there is nothing to adopt, or
/// when a deployer holds the lock for too long; undecided when the server or the replay says so.
pub fn adopt(
    target: &Target,
    set: &Set,
    options: &AdoptOptions,
    progress: &dyn Progress,
) -> Result<Adoption> {
    let candidates = candidates(set, options.version)?;
    let mut client = target.connect()?;
    preflight::session(target, &mut client)?;
    if let Some(managed) = managed(&mut client, set, options)? {
        return Ok(managed);
    }
    // Before the lock, because it takes seconds, and others may be waiting to migrate.
    let known: Vec<i32> = set.files.iter().map(File::version).collect();
    let replayed = expected::replay(set, &known, progress)?;
    let waiting = Options {
        wait: options.wait,
        ..Options::default()
    };
    lock::acquire(&mut client, &waiting, progress)?;
    // Somebody may have been quicker.
    if let Some(managed) = managed(&mut client, set, options)? {
        return Ok(managed);
    }
    decide(&mut client, set, &replayed, &candidates)
}

/// The versions that the database may be at.
fn candidates(set: &Set, wanted: Option<i32>) -> Result<Vec<i32>> {
    let known: Vec<i32> = set.files.iter().map(File::version).collect();
    match wanted {
        None => Ok(known),
        Some(version) if known.contains(&version) => Ok(vec![version]),
        Some(version) => {
            let known: Vec<String> = known.iter().map(i32::to_string).collect();
            let message = format!("there is no migration {version} in {}", set.origin);
            Err(Error::usage(message).detail(format!("known versions: {}", known.join(", "))))
        }
    }
}

/// The answer where a history is there already, or where the files are wrong in themselves.
fn managed(client: &mut Client, set: &Set, options: &AdoptOptions) -> Result<Option<Adoption>> {
    let standing = inspect(client, set)?;
    let problems = standing
        .status
        .problems
        .iter()
        .filter(|problem| problem.code != "unmanaged");
    let problems: Vec<String> = problems
        .map(|problem| format!("- {}", problem.message))
        .collect();
    if !problems.is_empty() {
        let message =
            "refused to adopt: history and files do not fit together, nothing was changed";
        let error = problems
            .into_iter()
            .fold(Error::refused(message), Error::detail);
        return Err(error.hint("creditdb status shows the whole history"));
    }
    let Some(newest) = standing.history.newest() else {
        return Ok(None);
    };
    if let Some(wanted) = options.version.filter(|wanted| *wanted != newest) {
        let message =
            format!("the history says version {newest}, not {wanted}; nothing was changed");
        return Err(Error::refused(message)
            .detail("only a database without a history can be adopted")
            .detail("whether the schema is that of the history: creditdb drift")
            .hint("creditdb migrate applies what is pending"));
    }
    Ok(Some(Adoption {
        database: client
            .query_one("SELECT current_database()::text", &[])?
            .get(0),
        state: AdoptionState::Managed,
        version: newest,
        schema_version: standing.status.schema_version,
        candidates: Vec::new(),
        differences: Vec::new(),
        pending: standing.pending.len(),
    }))
}

/// Compares and, where nothing speaks against it, writes; all in one transaction.
fn decide(
    client: &mut Client,
    set: &Set,
    replayed: &[Replayed],
    candidates: &[i32],
) -> Result<Adoption> {
    let mut schemas: Vec<String> = replayed
        .iter()
        .flat_map(|r| r.catalogue.schemas())
        .collect();
    schemas.sort();
    schemas.dedup();
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()?;
    hold(&mut transaction, replayed)?;
    let history = History::read(&mut transaction, set.history_schema)?;
    if !history.rows.is_empty() {
        return Err(
            Error::refused("a history was written meanwhile; nothing was changed")
                .hint("run creditdb adopt again"),
        );
    }
    let before = schema_version(&mut transaction)?;
    let row = transaction.query_one("SELECT current_database()::text, current_user::text", &[])?;
    let (database, role): (String, String) = (row.get(0), row.get(1));
    let live = catalogue::read(&mut transaction, Some(&schemas))?;
    let owner = owner(replayed, &live)?.unwrap_or_else(|| role.clone());
    let comparisons: Vec<Comparison<'_>> = (0..replayed.len())
        .rev()
        .filter(|at| candidates.contains(&replayed[*at].version))
        .map(|at| compare(&mut transaction, &replayed[at..], &live, &owner))
        .collect::<Result<_>>()?;
    // The newest that nothing speaks against, or else the one that comes closest.
    let closeness = |comparison: &&Comparison<'_>| (comparison.later, comparison.blocking());
    let Some(best) = comparisons.iter().min_by_key(closeness) else {
        return Err(Error::usage(format!("no migrations in {}", set.origin)));
    };
    let mut after = before;
    if best.blocking() == 0 {
        let (version, owners) = (best.replayed, (&owner[..], &role[..]));
        record::write(&mut transaction, set, version, &history, owners)?;
        after = schema_version(&mut transaction)?;
        transaction.commit()?;
    } else {
        transaction.rollback()?;
    }
    Ok(report(database, set, after, &comparisons, best))
}

fn report(
    database: String,
    set: &Set,
    schema_version: Option<String>,
    comparisons: &[Comparison<'_>],
    best: &Comparison<'_>,
) -> Adoption {
    let version = best.replayed.version;
    let pending = set.files.iter().filter(|file| file.version() > version);
    Adoption {
        database,
        state: match best.blocking() {
            0 => AdoptionState::Adopted,
            _ => AdoptionState::Refused,
        },
        version,
        schema_version,
        candidates: comparisons.iter().map(Comparison::candidate).collect(),
        differences: best.differences.clone(),
        pending: pending.count(),
    }
}

/// Keeps others from changing the tables between the comparison and the end; their readers and
/// writers go on. The lock comes before the first query, which takes the snapshot.
fn hold(transaction: &mut Transaction<'_>, replayed: &[Replayed]) -> Result<()> {
    let tables = replayed
        .iter()
        .flat_map(|replayed| replayed.catalogue.iter());
    let mut names: Vec<&str> = tables
        .filter(|object| object.kind == Kind::Table)
        .map(|table| &table.name[..])
        .collect();
    names.sort_unstable();
    names.dedup();
    let list: Vec<String> = names
        .iter()
        .map(|name| format!("'{}'", name.replace('\'', "''")))
        .collect();
    if list.is_empty() {
        return Ok(());
    }
    // In a DO block, so that tables that are missing can be left out without a query of our own.
    let lock = format!(
        "SET LOCAL lock_timeout = '10s';
         DO $$ DECLARE name text; BEGIN
             FOREACH name IN ARRAY ARRAY[{}] LOOP
                 IF to_regclass(name) IS NOT NULL THEN
                     EXECUTE 'LOCK TABLE ' || to_regclass(name) || ' IN ACCESS SHARE MODE';
                 END IF;
             END LOOP;
         END $$",
        list.join(", ")
    );
    transaction
        .batch_execute(&lock)
        .map_err(|error| Error::from(error).during("locking the tables against changes"))
}

/// Who owns most of the tables that are to be adopted.
fn owner(replayed: &[Replayed], live: &Catalogue) -> Result<Option<String>> {
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for table in live.iter().filter(|object| object.kind == Kind::Table) {
        let is_ours = replayed
            .iter()
            .any(|r| r.catalogue.get(&table.key()).is_some());
        if let (true, Some(owner)) = (is_ours, &table.owner) {
            *owners.entry(owner).or_default() += 1;
        }
    }
    let makes_tables = |r: &Replayed| r.catalogue.iter().any(|object| object.kind == Kind::Table);
    if owners.is_empty() && replayed.iter().any(makes_tables) {
        return Err(
            Error::refused("there is nothing to adopt: none of the tables exist")
                .hint("creditdb migrate makes them"),
        );
    }
    let most = owners.into_iter().max_by_key(|(_, count)| *count);
    Ok(most.map(|(owner, _)| owner.to_owned()))
}

/// The first of the versions; those after it tell what later migrations make.
fn compare<'a>(
    transaction: &mut Transaction<'_>,
    versions: &'a [Replayed],
    live: &Catalogue,
    owner: &str,
) -> Result<Comparison<'a>> {
    let (replayed, later) = (&versions[0], &versions[1..]);
    let is_later = |object: &Object| {
        later
            .iter()
            .any(|r| r.catalogue.get(&object.key()).is_some())
    };
    let expected = &replayed.catalogue;
    let context = Context {
        expected,
        actual: live,
        owner,
    };
    let mut differences = Vec::new();
    let mut later = 0;
    for difference in catalogue::compare(expected, live, Some(owner)) {
        let (counts, because) = rules::judge(&difference, expected, is_later);
        later += usize::from(because == rules::LATER.1);
        let mut described = describe(&difference, &context, counts, Some(&because));
        if let (catalogue::Nature::Extra, Some(column)) = (difference.nature, difference.object())
            && (column.kind, counts) == (Kind::Column, true)
        {
            // Enough to be able to leave it out, and nothing is lost.
            let table = column.table.as_deref().unwrap_or_default();
            described.sql = vec![format!(
                "ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL;",
                column.name
            )];
        }
        differences.push(described);
    }
    differences.extend(record::schema_versions(transaction, replayed)?);
    Ok(Comparison {
        replayed,
        differences,
        later,
    })
}

/// Refused where the role could not hand the history over to the owner of the tables.
fn check_membership(transaction: &mut Transaction<'_>, owner: &str, role: &str) -> Result<()> {
    let query = "SELECT pg_catalog.pg_has_role($1::text::name, $2::text::name, 'MEMBER')";
    if transaction.query_one(query, &[&role, &owner])?.get(0) {
        return Ok(());
    }
    let message = format!(
        "\"{role}\" is not a member of \"{owner}\", who owns the tables; nothing was changed"
    );
    Err(Error::refused(message).hint(format!(
        "connect as {owner}, or: GRANT {} TO {}",
        quote_identifier(owner),
        quote_identifier(role)
    )))
}
