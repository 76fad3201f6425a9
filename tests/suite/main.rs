//! The one integration binary; its modules mirror `src`.

mod db;
mod invariants;
mod layering;
mod migrations;
mod support;
