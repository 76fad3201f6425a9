//! What an adoption writes: the history rows that refinery would have written, and the rows of
//! `schema_version` that the migrations would have.

use jiff::Timestamp;
use postgres::Transaction;

use super::check_membership;
use crate::db::session::{self, SCHEMA_VERSION, SchemaVersion, quote_identifier, quote_literal};
use crate::error::{Error, Result};
use crate::migrations::expected::Replayed;
use crate::migrations::history::{History, Place};
use crate::migrations::session::history_table_sql;
use crate::migrations::set::Set;
use crate::report::{Nature, SchemaDifference};

/// Writes the history up to the version, and what `schema_version` lacks. The history gets the
/// owner of the tables, of whom the role of this session must be a member.
pub(super) fn write(
    transaction: &mut Transaction<'_>,
    set: &Set,
    replayed: &Replayed,
    history: &History,
    (owner, role): (&str, &str),
) -> Result<()> {
    let table = &history.table;
    let exists = "SELECT to_regclass($1) IS NOT NULL";
    if !transaction.query_one(exists, &[table])?.get::<_, bool>(0) {
        check_membership(transaction, owner, role)?;
        transaction.batch_execute(&history_table_sql(table))?;
        // Somebody else may have been quicker to take the name.
        Place::find(transaction, set.history_schema)?;
        let owner = quote_identifier(owner);
        transaction.batch_execute(&format!("ALTER TABLE {table} OWNER TO {owner}"))?;
    }
    let insert = format!(
        "INSERT INTO {table} (version, name, applied_on, checksum) VALUES ($1, $2, $3, $4)"
    );
    let now = Timestamp::now().to_string();
    for file in set
        .files
        .iter()
        .filter(|file| file.version() <= replayed.version)
    {
        let checksum = file.migration.checksum().to_string();
        transaction
            .execute(
                &insert,
                &[&file.version(), &file.migration.name(), &now, &checksum],
            )
            .map_err(|error| Error::from(error).during("writing the history"))?;
    }
    let lacking = lacking(transaction, replayed)?;
    for (version, description) in lacking.missing {
        // The clock, as the migration does it: rows of one transaction must differ in time.
        let row = format!(
            "INSERT INTO {SCHEMA_VERSION} (version, description, applied_at)
             VALUES ($1, $2, clock_timestamp())"
        );
        transaction.execute(&row, &[&version, &description])?;
    }
    Ok(())
}

/// Rows of `schema_version` that are on one side only.
#[derive(Default)]
struct Lacking {
    missing: Vec<SchemaVersion>,
    extra: Vec<String>,
}

/// Nothing where there is no such table on one of the sides, or something else in its place: that
/// is a difference of its own.
fn lacking(transaction: &mut Transaction<'_>, replayed: &Replayed) -> Result<Lacking> {
    let held = session::schema_versions(transaction)?;
    let (Some(held), Some(wanted)) = (held, &replayed.schema_versions) else {
        return Ok(Lacking::default());
    };
    let held: Vec<String> = held.into_iter().map(|(version, _)| version).collect();
    let missing = wanted
        .iter()
        .filter(|(version, _)| !held.contains(version))
        .cloned();
    let extra = held
        .iter()
        .filter(|held| !wanted.iter().any(|(version, _)| version == *held));
    Ok(Lacking {
        missing: missing.collect(),
        extra: extra.cloned().collect(),
    })
}

/// The rows of `schema_version` that differ. One that says more than the version is blocking:
/// programs read it, and would believe it.
pub(super) fn schema_versions(
    transaction: &mut Transaction<'_>,
    replayed: &Replayed,
) -> Result<Vec<SchemaDifference>> {
    let lacking = lacking(transaction, replayed)?;
    let difference = |nature, version: &str, because, sql| SchemaDifference {
        nature,
        kind: "row",
        object: format!("{SCHEMA_VERSION} {version}"),
        counts: nature == Nature::Extra,
        because: Some(str::to_owned(because)),
        changes: Vec::new(),
        sql,
    };
    let missing = lacking.missing.iter().map(|(version, _)| {
        difference(
            Nature::Missing,
            version,
            "an adoption writes it",
            Vec::new(),
        )
    });
    let extra = lacking.extra.iter().map(|version| {
        let delete = format!(
            "DELETE FROM {SCHEMA_VERSION} WHERE version = {};",
            quote_literal(version)
        );
        let because = "it names a schema version that this version does not reach";
        difference(Nature::Extra, version, because, vec![delete])
    });
    Ok(missing.chain(extra).collect())
}
