//! Evaluates a check by itself, however it is written.

use std::collections::BTreeMap;

use postgres::Transaction;

use super::catalogue::Check;
use super::contract::Kind;
use super::evidence::Violations;
use super::relations::Relation;
use super::{query, row};
use crate::error::{Error, Result};

/// Reads all that the check wants to see, and keeps evidence up to a limit.
///
/// # Errors
/// What the server says; undecided where the check says nothing about a row.
pub(super) fn alone(
    snapshot: &mut Transaction<'_>,
    check: &Check,
    relations: &BTreeMap<String, Relation>,
    limit: u32,
) -> Result<Violations> {
    let contract = &check.contract;
    match (contract.kind, check.native) {
        (Kind::Row, _) => row::run(snapshot, contract, relations, limit),
        (Kind::Query, _) => query::run(snapshot, contract, limit),
        (Kind::Native, Some(native)) => native(snapshot, contract, limit),
        (Kind::Native, None) => Err(Error::undecided("a native check without its function")),
        (Kind::Sealed, _) => Err(Error::undecided("a check of sealed rows without a state")),
    }
}
