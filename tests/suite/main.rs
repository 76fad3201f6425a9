//! The one integration binary; its modules mirror `src`.

mod invariants;
mod support;
