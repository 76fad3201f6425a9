//! The one integration binary; its modules mirror `src`.

// `allow-unwrap-in-tests` of clippy.toml reaches functions marked `#[test]` only, not their
// helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod db;
mod demo;
mod invariants;
mod layering;
mod lint;
mod migrations;
mod output;
mod sample;
mod schema;
mod support;
