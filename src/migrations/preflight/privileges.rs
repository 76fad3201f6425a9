//! Privileges that the pending files need and this role does not have, all at once.

use std::collections::BTreeSet;

use postgres::Client;

use crate::db::session::quote_identifier;
use crate::error::{Error, Result};
use crate::migrations::history::History;
use crate::migrations::log;
use crate::migrations::set::File;
use crate::syntax::Script;
use crate::syntax::facts::{Fact, Kind, Space};

/// Refuses when something is missing. Files that change their role by themselves are left out:
/// nobody can tell what they may.
///
/// # Errors
/// Refused, with each object and what is missing on it.
pub(in crate::migrations) fn check(
    client: &mut Client,
    files: &[&File],
    history: &History,
) -> Result<()> {
    let mut needs = Needs::default();
    needs.add("history", &history.table);
    needs.add("log", &log::table(history));
    for file in files {
        let script = Script::parse(file.sql());
        if script.changes_role() {
            continue;
        }
        for fact in script.facts() {
            needs.of(&fact);
        }
        for role in script.roles_made() {
            needs.add("role", &role);
        }
    }
    let rows = client.query(
        include_str!("privileges.sql"),
        &[&needs.kinds, &needs.names, &history.schema],
    )?;
    if rows.is_empty() {
        return Ok(());
    }
    let role: String = client.query_one("SELECT current_user::text", &[])?.get(0);
    let count = rows.len();
    let things = if count == 1 {
        "privilege is"
    } else {
        "privileges are"
    };
    let mut error = Error::refused(format!(
        "refused to migrate: {count} {things} missing for role \"{role}\", nothing was changed"
    ));
    let steps: BTreeSet<String> = rows.iter().map(|row| row.get(1)).collect();
    // One step for all of it stands by itself, below the list.
    let only = steps.first().filter(|_| steps.len() == 1);
    for row in &rows {
        let (missing, step): (String, String) = (row.get(0), row.get(1));
        error = error.detail(match only {
            Some(_) => format!("- {missing}"),
            None => format!("- {missing}\n  hint: {step}"),
        });
    }
    let then = || "the same command, once all of it is there".to_owned();
    Err(error.hint(only.cloned().unwrap_or_else(then)))
}

/// Kind and name of each object, in two columns.
#[derive(Default)]
struct Needs {
    kinds: Vec<String>,
    names: Vec<String>,
}

impl Needs {
    fn add(&mut self, kind: &str, name: &str) {
        self.kinds.push(kind.to_owned());
        self.names.push(name.to_owned());
    }

    fn of(&mut self, fact: &Fact) {
        if let Some(table) = fact.altered_table() {
            self.add("owner", &quoted(table));
        }
        match fact {
            Fact::CreateTable {
                table, constraints, ..
            } => {
                self.add("create", &schema_of(table));
                for constraint in constraints {
                    self.reference(&constraint.kind);
                }
            }
            Fact::Create(_, name) => self.add("create", &schema_of(name)),
            Fact::CreateSchema(name) => self.add("schema", name),
            Fact::CreateFunction(function) => {
                self.add("create", &schema_of(&function.name));
                self.add("function", &quoted(&function.name));
            }
            Fact::AddConstraint { constraint, .. } => self.reference(&constraint.kind),
            Fact::Drop(Space::Relations | Space::Routines, names) => {
                for name in names {
                    self.add("owner", &quoted(name));
                }
            }
            _ => {}
        }
    }

    fn reference(&mut self, kind: &Kind) {
        if let Kind::ForeignKey(reference) = kind {
            self.add("references", &quoted(&reference.table));
        }
    }
}

/// Facts have names without quotes.
pub(super) fn quoted(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(quote_identifier).collect();
    parts.join(".")
}

/// The schema in a name, unquoted; empty for the one that the search path gives.
fn schema_of(name: &str) -> String {
    name.split_once('.')
        .map_or(String::new(), |(schema, _)| schema.to_owned())
}
