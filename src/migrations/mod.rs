//! The migrations: where they come from, what the history says, and applying what is pending.
//!
//! refinery parses names, computes checksums, orders, verifies and records. This module adds what
//! a live ledger needs on top: one deployer at a time, one transaction for a migration and its
//! history row, refusals before the first statement, and errors that show the line.

mod apply;
mod history;
mod lock;
mod locks;
mod plan;
mod rehearse;
mod session;
mod set;
mod snippet;
mod standing;

pub use apply::{Options, migrate};
pub use plan::{SavedPlan, plan};
pub use rehearse::{RehearsalOptions, rehearse};
pub use set::Set;
pub use standing::status;
