//! The static lock table: from a statement to the locks that it takes on tables, which tables it
//! rewrites and which it reads in full. The rules are those of the server's sources, for the majors
//! 14 to 18; a test runs a corpus on each of them and compares with what `pg_locks` says.

mod alter_column;
mod alter_table;
mod change_type;
mod constraints;
mod create;
mod drop;
mod effects;
mod level;
mod maintenance;
mod objects;
mod partitions;
mod query;
mod statement;
mod world;

pub(crate) use effects::{Effects, Scan, TableLock};
pub(crate) use level::Level;
pub(crate) use statement::read;
pub(crate) use world::{Constraint, Id, Relation, World};
