//! Decides which checks have to be evaluated on a database, before any row is read.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Transaction;

use super::catalogue::Check;
use super::contract::SchemaVersion;
use super::guards::{self, Standing};
use super::relations::{self, Relation};
use crate::error::Result;

/// The index that finds the entries of a user's reference, from schema 1.2.0 on.
const REFERENCES: (&str, &str) = ("credit_transactions", "credit_transactions_reference_key");

/// What to do with a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Read the rows.
    Evaluate,
    /// Nothing: these objects prove it.
    Guarded(Vec<String>),
    /// Nothing: it does not apply to this schema version.
    Skip(String),
    /// It cannot be evaluated.
    Fail(String),
}

/// What to do with each check of a selection, in its order, and what was learned on the way.
pub(super) struct Plan<'a> {
    /// The checks and their decisions.
    pub steps: Vec<(&'a Check, Decision)>,
    /// Of the schema.
    pub version: SchemaVersion,
    /// The relations that the checks name, as far as they exist.
    pub relations: BTreeMap<String, Relation>,
    /// Whether an index finds the entries of a reference, and may be believed.
    pub finds_references: bool,
}

impl Plan<'_> {
    /// What to do with each check.
    pub fn decisions(&self) -> Vec<Decision> {
        self.steps
            .iter()
            .map(|(_, decision)| decision.clone())
            .collect()
    }

    /// Whether constraints prove a check, by its id.
    pub fn is_proven(&self, id: &str) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|(check, decision)| {
            check.contract.id == id && matches!(decision, Decision::Guarded(_))
        })
    }

    /// Does that instead.
    pub fn decide(&mut self, decisions: Vec<Decision>) {
        for ((_, decision), other) in self.steps.iter_mut().zip(decisions) {
            *decision = other;
        }
    }
}

/// Names of all tables that the checks read or whose guards they rely on.
pub(super) fn tables(selection: &[&Check]) -> Vec<String> {
    let all: BTreeSet<String> = selection
        .iter()
        .flat_map(|check| guards::tables_of(&check.contract))
        .collect();
    all.into_iter().collect()
}

/// Makes the plan. With `distrust` no guard counts.
pub(super) fn plan<'a>(
    snapshot: &mut Transaction<'_>,
    selection: &[&'a Check],
    version: SchemaVersion,
    distrust: bool,
) -> Result<Plan<'a>> {
    let tables = tables(selection);
    let relations = relations::read(snapshot, &tables)?;
    let standing = Standing::read(snapshot, &tables)?;
    let decide = |check: &Check| {
        let contract = &check.contract;
        if !contract.applies_to(version) {
            return Decision::Skip(match contract.until {
                Some(until) if version >= until => format!("ended with schema {until}"),
                _ => format!("begins with schema {}", contract.since),
            });
        }
        if let Some(doubt) = doubtful(check, &relations) {
            return Decision::Fail(doubt);
        }
        match standing.proof_of(contract) {
            Some(guards) if !distrust => Decision::Guarded(guards),
            _ => Decision::Evaluate,
        }
    };
    let steps = selection.iter().map(|check| (*check, decide(check)));
    Ok(Plan {
        steps: steps.collect(),
        version,
        relations,
        finds_references: standing.has(REFERENCES) && !distrust,
    })
}

/// Says which name of a check is not a table that can be relied on, where there is one.
fn doubtful(check: &Check, relations: &BTreeMap<String, Relation>) -> Option<String> {
    let names = relations::named_by(&check.contract);
    names.iter().find_map(|name| {
        let doubt = relations.get(name)?.doubt()?;
        Some(format!("\"public.{name}\" {doubt}"))
    })
}
