//! Whose a relation is, before it is used. Where others may create objects (on PostgreSQL 14 that
//! is everybody, in schema `public`), something of theirs may stand under a name that we read or
//! write: a view over a function of theirs, a table with a trigger. What it does it would do with
//! the rights of this session, and a read-only transaction stops little of it.
//!
//! A table of a trusted owner stays what it is: only its owner can drop or change it, so nothing
//! gets between this look and what follows. A name that nobody has yet can be taken in between, so
//! whoever creates a table looks again afterwards.

use postgres::{GenericClient, SimpleQueryRow};

use super::session::{self, quote_literal};
use crate::error::{Error, Result};

/// A relation under one of the names that were asked for.
pub struct Found {
    /// Which of the names, from 0.
    pub at: usize,
    name: String,
    kind: String,
    /// Quoted, as the other roles.
    owner: String,
    role: String,
    schema: String,
    is_trusted: bool,
    hides_rows: bool,
    has_plain_columns: bool,
    /// `TRIGGER name` or `RULE name`.
    intruder: Option<String>,
}

/// A condition on a row of `pg_class`: an ordinary table of this role. It asks the server's caches
/// only, so most sessions need not [`look`] closer.
pub const IS_OWN_TABLE: &str = "relkind = 'r' AND NOT pg_catalog.row_security_active(oid)
    AND pg_catalog.pg_get_userbyid(relowner) = current_user";

/// What stands under these names, quoted where they have to be.
///
/// # Errors
/// Refused when somebody made a relation of such a name a moment ago, or what the server says.
pub fn look(client: &mut impl GenericClient, names: &[&str]) -> Result<Vec<Found>> {
    let literals: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    let query = include_str!("trust.sql").replace("$NAMES", &literals.join(", "));
    let young = || {
        Error::refused(format!("somebody is making one of {}", names.join(", ")))
            .detail("it was neither read nor written")
            .hint("run it again")
    };
    let rows = session::rows(client, &query)?;
    rows.iter()
        .map(|row| found(row).ok_or_else(young))
        .collect()
}

fn found(row: &SimpleQueryRow) -> Option<Found> {
    let is = |at: usize| row.get(at) == Some("t");
    Some(Found {
        at: row.get(0)?.parse::<usize>().ok()?.checked_sub(1)?,
        name: row.get(1)?.to_owned(),
        kind: row.get(2)?.to_owned(),
        owner: row.get(3)?.to_owned(),
        role: row.get(4)?.to_owned(),
        schema: row.get(5)?.to_owned(),
        is_trusted: is(6),
        hides_rows: is(7),
        has_plain_columns: is(8),
        intruder: row.get(9).map(str::to_owned),
    })
}

impl Found {
    /// Whether reading it runs nothing of its owner's. He could still put a view in its place while
    /// it is read; whoever reads a table for what is in it has to live with its owner.
    pub fn is_harmless(&self) -> bool {
        self.kind == "table" && !self.hides_rows && self.has_plain_columns
    }

    /// Whether it can hold records of ours, to be read and written.
    ///
    /// # Errors
    /// Refused, with what is wrong and what to type.
    pub fn accept(&self) -> Result<()> {
        let (name, kind, owner, role) = (&self.name, &self.kind, &self.owner, &self.role);
        let unused = "it was neither read nor written";
        if kind != "table" {
            let words = format!("{name} is no ordinary table, but a {kind} of {owner}");
            return Err(Error::refused(words)
                .detail(format!("{unused}: what is behind it would run as {role}"))
                .hint(format!(
                    "DROP {} {name}",
                    kind.trim_start_matches("partitioned ").to_uppercase()
                )));
        }
        if !self.is_trusted {
            let schema = &self.schema;
            return Err(Error::refused(format!("{name} belongs to {owner}"))
                .detail(format!(
                    "{unused}: what {owner} put there would run as {role}, who is no member of \
                     that role; nor does {owner} own schema {schema} or the database"
                ))
                .hint(format!(
                    "ALTER SCHEMA {schema} OWNER TO {owner}, where {owner} is to make its tables; \
                     ALTER TABLE {name} OWNER TO {role}, where nothing is attached to it (\\d+ \
                     {name}); else DROP TABLE {name}"
                )));
        }
        if let Some(intruder) = &self.intruder {
            return Err(Error::refused(format!("{name} has the {intruder}"))
                .detail(format!("{unused}: it would run as {role}"))
                .hint(format!("DROP {intruder} ON {name}")));
        }
        if self.hides_rows {
            return Err(
                Error::refused(format!("row security hides rows of {name} from {role}"))
                    .detail(format!("{unused}: what is applied would look pending"))
                    .hint(format!(
                        "connect as {owner}, or: ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"
                    )),
            );
        }
        Ok(())
    }
}
