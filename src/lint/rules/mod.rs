//! The rules: one module each, in a folder per area, named like the rule.
//!
//! The build script declares the modules; rustfmt does not see them that way, so the gate formats
//! every tracked file by name.

use super::rule::Entry;

include!(concat!(env!("OUT_DIR"), "/lint_rules.rs"));
