//! SQL text, taken apart with a real parser: statements, what they do as plain data, and how they
//! can be run. What it means for a live database is the business of others.

pub(crate) mod batch;
pub(crate) mod facts;
mod statements;
pub(crate) mod step;
pub(crate) mod words;

pub(crate) use statements::{Script, controls_transaction};
