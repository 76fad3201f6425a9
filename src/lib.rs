//! `creditdb`: owns, upgrades and audits the credit database of an LLM gateway.
//!
//! Imports point one way, which a test enforces: `report`, `exit`, `error`, `header` and `cli`
//! import nothing of ours; `db` imports `error`; `migrations`, `invariants` and `sample` import
//! `db`, `error`, `header` and `report`, never each other; `output` imports `report`; `commands`
//! imports everything above; `main` imports `cli`, `commands`, `exit` and `error`.

pub mod cli;
pub mod commands;
pub mod db;
pub mod error;
pub mod exit;
pub mod header;
pub mod invariants;
pub mod migrations;
pub mod output;
pub mod report;
pub mod sample;
