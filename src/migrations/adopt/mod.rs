//! Taking over a database that was not made by the migrations, after proving that it might have
//! been: its catalogue is compared with the one that a replay leaves, and only then the history is
//! written, in the same transaction.

mod record;
mod rules;
mod survey;
mod types;

use std::cmp::Reverse;
use std::time::Duration;

use postgres::{Client, IsolationLevel, Transaction};

use self::survey::Survey;
use super::expected::Replayed;
use super::history::History;
use super::options::Options;
use super::set::{File, Set};
use super::standing::inspect;
use super::{lock, preflight};
use crate::catalogue::{Catalogue, Kind};
use crate::db::session::quote_identifier;
use crate::db::{Target, session};
use crate::error::{Error, Result};
use crate::report::{Adoption, AdoptionState, Candidate, Progress};

/// What to adopt.
#[derive(Clone, Debug)]
pub struct AdoptOptions {
    /// The version that the database is said to be at; all are tried without it.
    pub version: Option<i32>,
    /// How long to wait while a deployer holds the lock.
    pub wait: Duration,
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
    let versions = candidates(set, options.version)?;
    let mut client = target.connect()?;
    preflight::session(target, &mut client)?;
    if let Some(managed) = managed(&mut client, set, options)? {
        return Ok(managed);
    }
    // Before the lock, because it takes seconds, and others may be waiting to migrate.
    let (survey, replayed) = survey::make(&mut client, set, &versions, progress)?;
    let waiting = Options {
        wait: options.wait,
        ..Options::default()
    };
    lock::acquire(&mut client, &waiting, progress)?;
    // Somebody may have been quicker.
    if let Some(managed) = managed(&mut client, set, options)? {
        return Ok(managed);
    }
    decide(&mut client, set, survey, &replayed)
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
        return Err(error.hint(set.command("status") + " shows the whole history"));
    }
    let Some(newest) = standing.history.newest() else {
        return Ok(None);
    };
    if let Some(wanted) = options.version.filter(|wanted| *wanted != newest) {
        let message =
            format!("the history says version {newest}, not {wanted}; nothing was changed");
        return Err(Error::refused(message)
            .detail("only a database without a history can be adopted")
            .detail(format!(
                "whether the schema is that of the history: {}",
                set.command("drift")
            ))
            .hint(set.command("migrate") + " applies what is pending"));
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
        commands: set.commands.clone(),
    }))
}

/// Compares with the replay and, where nothing speaks against it, writes; in one transaction.
fn decide(
    client: &mut Client,
    set: &Set,
    mut survey: Survey,
    replayed: &Replayed,
) -> Result<Adoption> {
    let tables = present(client, &replayed.catalogue)?;
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()?;
    hold(&mut transaction, &tables)?;
    let history = History::read(&mut transaction, set.history_schema)?;
    if !history.rows.is_empty() {
        return Err(
            Error::refused("a history was written meanwhile; nothing was changed")
                .hint(format!("run {} again", set.command("adopt"))),
        );
    }
    let mut schema_version = session::schema_version(&mut transaction)?;
    let row = transaction.query_one("SELECT current_database()::text, current_user::text", &[])?;
    let (database, role): (String, String) = (row.get(0), row.get(1));
    let (live, owner) = survey::live(&mut transaction, set, &survey.known)?;
    let compared = survey::compare(&replayed.catalogue, &live, &owner, &survey.later);
    let mut differences = compared.differences;
    differences.extend(record::schema_versions(&mut transaction, replayed)?);
    let version = replayed.version;
    let candidate = Candidate::new(version, &differences);
    let adopted = candidate.blocking == 0;
    if adopted {
        let owners = (&owner[..], &role[..]);
        record::write(&mut transaction, set, replayed, &history, owners)?;
        schema_version = session::schema_version(&mut transaction)?;
        transaction.commit()?;
    } else {
        transaction.rollback()?;
    }
    // The rows of schema_version count, too, and only now they are known.
    survey.candidates.retain(|other| other.version != version);
    survey.candidates.push(candidate);
    survey
        .candidates
        .sort_by_key(|candidate| Reverse(candidate.version));
    let pending = set.files.iter().filter(|file| file.version() > version);
    Ok(Adoption {
        database,
        state: if adopted {
            AdoptionState::Adopted
        } else {
            AdoptionState::Refused
        },
        version,
        schema_version,
        candidates: survey.candidates,
        differences,
        pending: pending.count(),
        commands: set.commands.clone(),
    })
}

/// Those tables that are there, as SQL.
fn present(client: &mut Client, expected: &Catalogue) -> Result<Vec<String>> {
    let tables = expected.iter().filter(|object| object.kind == Kind::Table);
    let names: Vec<&str> = tables.map(|table| &table.name[..]).collect();
    let query = "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL";
    let rows = client.query(query, &[&names])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Keeps others from changing the tables between the comparison and the end; their readers and
/// writers go on. SET and LOCK take no snapshot: that comes with the first query, so what somebody
/// commits while we wait for the locks is seen.
fn hold(transaction: &mut Transaction<'_>, tables: &[String]) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let lock = format!(
        "SET LOCAL lock_timeout = '10s'; LOCK TABLE {} IN ACCESS SHARE MODE",
        tables.join(", ")
    );
    transaction
        .batch_execute(&lock)
        .map_err(|error| Error::from(error).during("locking the tables against changes"))
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
