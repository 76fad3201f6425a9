//! The migrations: where they come from, what the history says, and applying what is pending.
//!
//! refinery parses names, computes checksums, orders, verifies and records. This module adds what
//! a live ledger needs on top: one deployer at a time, one transaction for a migration and its
//! history row, refusals before the first statement, and errors that show the line.

mod adopt;
mod apply;
mod blocker;
mod drift;
mod edits;
mod expected;
mod ground;
mod half_done;
mod history;
mod lock;
mod locks;
mod log;
mod options;
mod pace;
mod plan;
mod precheck;
mod preflight;
mod rehearse;
mod run;
mod session;
mod set;
mod snippet;
mod standing;
mod waits;
mod watch;

pub use adopt::{AdoptOptions, adopt};
pub use apply::{attempt, migrate};
pub use drift::{DriftOptions, drift};
pub use options::{Options, Stop};
pub use plan::{SavedPlan, plan};
pub use precheck::{Auditor, Broken, Precheck};
pub use rehearse::{RehearsalOptions, rehearse};
pub use set::Set;
pub use standing::status;
