//! The way to a server: connection settings, sessions, snapshots, throw-away servers.

pub mod backend;
pub mod connection;
pub mod dump;
pub mod session;
pub mod snapshot;
pub mod throwaway;
pub mod trust;

pub use connection::{Listener, Target};
