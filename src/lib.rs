//! `creditdb`: owns, upgrades and audits the credit database of an LLM gateway.
//!
//! Imports point one way, which a test enforces: `report`, `exit`, `error`, `header`, `syntax` and
//! `cli` import nothing of ours; `db` and `files` import `error`; `catalogue` imports `db`,
//! `error` and `report`; `migrations`, `invariants` and `sample` import `db`, `error`, `header` and
//! `report`, never each other (`migrations` reads `catalogue`, `files` and `syntax`, too,
//! `invariants` reads
//! `files` and `syntax`); `lint` imports `header`, `report` and `syntax`; `output` imports `error`
//! and `report`; `commands` imports everything above; `main` imports `cli`, `commands`, `exit`,
//! `error`.

pub mod catalogue;
pub mod cli;
pub mod commands;
pub mod db;
pub mod error;
pub mod exit;
pub mod files;
pub mod header;
pub mod invariants;
pub mod lint;
pub mod migrations;
pub mod output;
pub mod report;
pub mod sample;
mod syntax;
