//! SQL text, taken apart with a real parser: statements, and what they do as plain data. What it
//! means for a live database is the business of others.

pub(crate) mod facts;
mod statements;

pub(crate) use statements::Script;
