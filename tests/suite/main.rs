//! The one integration binary; its modules mirror `src`.

mod layering;
mod migrations;
mod support;
