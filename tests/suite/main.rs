//! The one integration binary; its modules mirror `src`.

mod db;
mod layering;
mod migrations;
mod support;
