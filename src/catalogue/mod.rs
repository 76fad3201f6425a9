//! The objects of a database as plain data: read from its system catalogue, the same on every
//! major, compared with each other, and turned into the SQL that makes one like the other.
//!
//! What is not here: partitions (they follow their parent), members of extensions, the order of
//! columns, and what belongs to a server and not to a schema, such as roles and tablespaces.

mod alter;
mod compare;
mod create;
mod function;
mod object;
mod read;
mod reconcile;
mod renamed;
mod sequence;
mod step;

/// Name of refinery's table of applied migrations.
pub const HISTORY: &str = "refinery_schema_history";

/// Name of the log of the engine's work, beside the history.
pub const LOG: &str = "creditdb_migration_log";

/// The engine's own tables, which no migration makes: no part of the schema.
pub const RECORDS: [&str; 2] = [HISTORY, LOG];

pub use compare::{Change, Difference, Nature, compare};
pub use object::{Catalogue, Key, Kind, Object};
pub use read::read;
pub use reconcile::{Context, statements};
pub use step::Step;
