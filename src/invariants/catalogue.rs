//! Which checks there are: those of this program, and those of `--checks DIR`.

use std::path::Path;

use postgres::Transaction;

use super::contract::{Contract, Kind, SchemaVersion};
use super::evidence::Violations;
use super::runner::ALL;
use super::{folder, native, select};
use crate::error::{Error, Result};
use crate::report::{CheckSummary, Explanation};

/// Evaluates a native check in the snapshot and keeps so many violations as evidence.
pub(super) type Native = fn(&mut Transaction<'_>, &Contract, u32) -> Result<Violations>;

/// A check file inside the binary; the build script has read it once already.
pub(super) struct Embedded {
    area: &'static str,
    id: &'static str,
    text: &'static str,
    native: Option<Native>,
}

include!(concat!(env!("OUT_DIR"), "/checks.rs"));
include!(concat!(env!("OUT_DIR"), "/newest.rs"));

/// One check: its file, and for the native kind the function that interprets its rows.
#[derive(Clone, Debug)]
pub struct Check {
    /// What the file says.
    pub contract: Contract,
    pub(super) native: Option<Native>,
}

/// All checks, by area and id.
#[derive(Clone, Debug)]
pub struct Catalogue {
    checks: Vec<Check>,
}

impl Catalogue {
    /// The embedded checks, and those below a directory (`DIR/<area>/<id>.sql`).
    ///
    /// # Errors
    /// Wrong usage, with all mistakes at once: a directory without checks, files that cannot be
    /// read or are not UTF-8, malformed headers, ids that are taken.
    pub fn load(directory: Option<&Path>) -> Result<Self> {
        let mut checks = CHECKS.iter().map(read).collect::<Result<Vec<_>>>()?;
        if let Some(directory) = directory {
            let taken: Vec<String> = checks.iter().map(|c| c.contract.id.clone()).collect();
            let added = folder::read(directory, &taken)?;
            checks.extend(added.into_iter().map(|contract| Check {
                contract,
                native: None,
            }));
        }
        let place = |check: &Check| (check.contract.area.clone(), check.contract.id.clone());
        checks.sort_by_key(place);
        Ok(Self { checks })
    }

    /// All checks, by area and id.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The checks with these ids and those of these areas; all of them when both are empty. One
    /// that compares with a state is among the latter two only where there is a state (`sealed`).
    ///
    /// # Errors
    /// Wrong usage: an id or an area that does not exist, with the ones that do.
    pub fn select(&self, ids: &[String], areas: &[String], sealed: bool) -> Result<Vec<&Check>> {
        let mut selection = select::select(&self.checks, ids, areas)?;
        selection.retain(|check| {
            let contract = &check.contract;
            sealed || contract.kind != Kind::Sealed || ids.contains(&contract.id)
        });
        Ok(selection)
    }

    /// The check with an id.
    ///
    /// # Errors
    /// Wrong usage: there is none; with the ids that there are.
    pub fn find(&self, id: &str) -> Result<&Check> {
        let found = self.select(&[id.to_owned()], &[], false)?;
        found
            .first()
            .copied()
            .ok_or_else(|| Error::usage(format!("no check \"{id}\"")))
    }
}

fn read(embedded: &Embedded) -> Result<Check> {
    let contract = Contract::read(embedded.area, embedded.id, embedded.text);
    let contract = contract.map_err(|problems| {
        let words: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let message = format!("the embedded check \"{}\" is malformed", embedded.id);
        Error::undecided(message).detail(words.join("\n"))
    })?;
    Ok(Check {
        contract,
        native: embedded.native,
    })
}

impl Check {
    /// What lists and findings say about it.
    pub fn summary(&self) -> CheckSummary {
        let contract = &self.contract;
        CheckSummary {
            id: contract.id.clone(),
            area: contract.area.clone(),
            severity: contract.severity,
            kind: contract.kind.word(),
            title: contract.title.clone(),
            remedy: contract.remedy.clone(),
            since: contract.since.to_string(),
        }
    }

    /// All that is known about it, with SQL to paste into psql.
    pub fn explanation(&self) -> Explanation {
        let contract = &self.contract;
        Explanation {
            check: self.summary(),
            until: contract.until.map(|version| version.to_string()),
            scope: contract.scope.word(),
            guarded_by: contract.guards.iter().map(ToString::to_string).collect(),
            unguarded_because: contract.unguarded_because.clone(),
            why: contract.why.clone(),
            sql: self.statement(),
        }
    }

    /// The check as statements that a person can run by hand.
    fn statement(&self) -> String {
        let contract = &self.contract;
        let body = match contract.kind {
            Kind::Row => super::row::statement(contract),
            Kind::Query | Kind::Native => format!("{};", contract.sql),
            Kind::Sealed => super::state::statement(contract),
        };
        // An audit sets the moment that it is about, and how far it looks back for some checks; by
        // hand it is the present one, and back to the beginning.
        let all = format!("'{ALL}'");
        let settings = [
            ("creditdb.now", "clock_timestamp()::text"),
            ("creditdb.recent", all.as_str()),
        ];
        let named = settings
            .iter()
            .filter(|(name, _)| contract.sql.contains(name));
        let set = |(name, value)| format!("SELECT set_config('{name}', {value}, false);\n");
        let set: String = named.copied().map(set).collect();
        let gap = if set.is_empty() { "" } else { "\n" };
        format!("{set}{gap}{body}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::equations::Equation;

    #[test]
    fn equations_stand_for_checks_that_exist() {
        let catalogue = Catalogue::load(None).unwrap();
        for id in Equation::ALL.iter().flat_map(|e| e.checks()) {
            assert_ne!(catalogue.find(id).unwrap().contract.kind, Kind::Row);
        }
    }

    #[test]
    fn every_embedded_check_is_read_and_found_by_its_id() {
        let catalogue = Catalogue::load(None).unwrap();
        assert_eq!(catalogue.checks().len(), CHECKS.len());
        for embedded in CHECKS {
            let check = catalogue.find(embedded.id).unwrap();
            assert_eq!(check.contract.area, embedded.area);
            assert_eq!(check.native.is_some(), check.contract.kind == Kind::Native);
        }
    }

    #[test]
    fn every_check_has_a_canary() {
        // A function asks the sequence itself, and no row that is made up is a sequence. What was
        // sealed is in a file, and compared in Rust.
        let besides = ["sequence-exhaustion", "sealed-history"];
        for check in Catalogue::load(None).unwrap().checks() {
            let contract = &check.contract;
            let id = contract.id.as_str();
            assert_ne!(contract.canary.is_some(), besides.contains(&id), "{id}");
        }
    }
}
