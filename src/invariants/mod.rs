//! The invariants: their catalogue, and the audit that evaluates it.
//!
//! `catalogue` knows which checks there are (`folder` reads those of a user, `select` picks),
//! `plan` decides which of them have to be evaluated on this database (`guards` says which are
//! proven by a constraint). `runner` has them evaluated by a `crew` of connections that take jobs
//! from a `board`: ranges of a fused `scan`, whose sums `equations` interpret (by small `pieces`
//! while `neighbours` write), and single checks (`row`, `query` and `native`, one for each kind),
//! once each `canary` was found. `chain` names causes. `state` is what one audit leaves for the
//! next, so that it reads only what is new.

mod board;
mod canary;
mod catalogue;
mod chain;
pub mod contract;
mod crew;
mod equations;
mod evaluate;
mod evidence;
mod folder;
mod guards;
mod hands;
mod native;
mod neighbours;
mod outcome;
mod pieces;
mod plan;
mod query;
mod range;
mod relations;
mod row;
mod runner;
mod scan;
mod select;
mod state;

pub use catalogue::{Catalogue, Check};
pub use runner::{Connections, Options, audit};
pub use state::StateFile;
