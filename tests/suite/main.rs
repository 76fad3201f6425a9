//! The one integration binary; its modules mirror `src`.

mod layering;
mod lint;
mod migrations;
mod support;
