//! Which invariants the database proves itself, by constraints and unique indexes.
//!
//! A name proves nothing: a constraint that was dropped and added again under its name, but wider,
//! would let the audit skip the very rows that it was widened for. So the definitions of the
//! guards that our checks name are recorded in `guards.txt`, as a migrated database has them (a
//! test compares them, and `ci/generate.sh` writes them), and a guard with another definition does
//! not count: the check is evaluated.

use std::collections::{BTreeMap, BTreeSet};

use postgres::{Row, Transaction};

use super::contract::{Contract, Guard};
use super::relations;
use crate::error::Result;

const READ_GUARDS: &str = include_str!("guards.sql");

/// Lines `table.guard: definition`.
const RECORDED: &str = include_str!("guards.txt");

/// What stands, by table and guard, with its definition; valid, enforced, and for rows of every
/// age.
#[derive(Debug)]
pub(super) struct Standing(BTreeMap<(String, String), String>);

impl Standing {
    /// Reads what stands on these tables.
    pub fn read(snapshot: &mut Transaction<'_>, tables: &[String]) -> Result<Self> {
        let rows = snapshot.query(READ_GUARDS, &[&tables])?;
        let entry = |row: &Row| ((row.get(0), row.get(1)), row.get(2));
        Ok(Self(rows.iter().map(entry).collect()))
    }

    /// Whether a guard of that name stands on that table.
    pub fn has(&self, (table, guard): (&str, &str)) -> bool {
        self.0.contains_key(&(table.to_owned(), guard.to_owned()))
    }

    /// The names of a check's guards, when there are any and all of them stand. A constraint
    /// counts only on a table that the check reads: names are unique per table, not per database.
    pub fn proof_of(&self, contract: &Contract) -> Option<Vec<String>> {
        let tables = relations::named_by(contract);
        let has = |table: &String, guard: String| {
            let definition = self.0.get(&(table.clone(), guard.clone()));
            let name = (&table[..], &guard[..]);
            definition.is_some_and(|definition| is_as_recorded(RECORDED, name, definition))
        };
        let stands = |guard: &Guard| match guard {
            Guard::Object(name) => tables.iter().any(|table| has(table, name.clone())),
            Guard::NotNull { table, column } => has(table, format!("{column} not null")),
        };
        let proven = !contract.guards.is_empty() && contract.guards.iter().all(stands);
        proven.then(|| contract.guards.iter().map(ToString::to_string).collect())
    }
}

/// Whether a guard has a definition that is on record, for this table. A name of which nothing is
/// on record, for any table, is that of a guard that only a user's own check names; its author
/// vouches for it.
fn is_as_recorded(records: &str, (table, guard): (&str, &str), definition: &str) -> bool {
    let known = records.lines().filter_map(|line| {
        let (name, definition) = line.split_once(": ")?;
        let (table, recorded) = name.split_once('.')?;
        (recorded == guard).then_some((table, definition))
    });
    let mut known = known.peekable();
    known.peek().is_none() || known.any(|recorded| recorded == (table, definition))
}

/// The tables whose guards a check may name.
pub(super) fn tables_of(contract: &Contract) -> BTreeSet<String> {
    let mut tables = relations::named_by(contract);
    for guard in &contract.guards {
        if let Guard::NotNull { table, .. } = guard {
            tables.insert(table.clone());
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_another_definition_is_no_proof() {
        let records = "users.tier_check: CHECK ((tier = 'trial'::text))\n";
        let is_proof =
            |table, guard, definition| is_as_recorded(records, (table, guard), definition);
        let recorded = "CHECK ((tier = 'trial'::text))";
        assert!(is_proof("users", "tier_check", recorded));
        assert!(!is_proof("users", "tier_check", "CHECK (true)"));
        assert!(!is_proof("keys", "tier_check", "CHECK (true)"));
        assert!(!is_proof("keys", "tier_check", recorded));
        assert!(is_proof("users", "own_check", "CHECK (true)"));
    }
}
