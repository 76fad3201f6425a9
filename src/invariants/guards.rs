//! Which invariants the database proves itself, by constraints and unique indexes.

use std::collections::BTreeSet;

use postgres::Transaction;

use super::contract::{Contract, Guard};
use super::relations;
use crate::error::Result;

const READ_GUARDS: &str = include_str!("guards.sql");

/// What stands, as pairs of table and guard; valid, enforced, and for rows of every age.
#[derive(Debug)]
pub(super) struct Standing(BTreeSet<(String, String)>);

impl Standing {
    /// Reads what stands on these tables.
    pub fn read(snapshot: &mut Transaction<'_>, tables: &[String]) -> Result<Self> {
        let rows = snapshot.query(READ_GUARDS, &[&tables])?;
        Ok(Self(rows.iter().map(|r| (r.get(0), r.get(1))).collect()))
    }

    /// The names of a check's guards, when there are any and all of them stand. A constraint
    /// counts only on a table that the check reads: names are unique per table, not per database.
    pub fn proof_of(&self, contract: &Contract) -> Option<Vec<String>> {
        let tables = relations::named_by(contract);
        let has = |table: &String, guard: String| self.0.contains(&(table.clone(), guard));
        let stands = |guard: &Guard| match guard {
            Guard::Object(name) => tables.iter().any(|table| has(table, name.clone())),
            Guard::NotNull { table, column } => has(table, format!("{column} not null")),
        };
        let proven = !contract.guards.is_empty() && contract.guards.iter().all(stands);
        proven.then(|| contract.guards.iter().map(ToString::to_string).collect())
    }
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
