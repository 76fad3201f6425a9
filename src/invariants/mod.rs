//! The invariants: their catalogue, and the audit that evaluates it.

pub mod contract;
mod native;

use contract::Contract;
