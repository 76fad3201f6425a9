//! The invariants: their catalogue, and the audit that evaluates it.
//!
//! `catalogue` knows which checks there are (`folder` reads those of a user, `select` picks),
//! `plan` decides which of them have to be evaluated on this database (`guards` says which are
//! proven by a constraint), `runner` evaluates them: `row`, `query` and `native`, one for each
//! kind. A different way to evaluate changes `runner` only. `chain` names causes.

mod catalogue;
mod chain;
pub mod contract;
mod evidence;
mod folder;
mod guards;
mod native;
mod plan;
mod query;
mod relations;
mod row;
mod runner;
mod select;

pub use catalogue::{Catalogue, Check};
pub use runner::{Options, audit};
