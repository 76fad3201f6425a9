//! The one integration binary; its modules mirror `src`.

mod invariants;
mod layering;
mod migrations;
mod support;
