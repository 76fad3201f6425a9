//! Who stands in the way of a statement that waits for a lock.

use std::fmt;

use postgres::Client;

use crate::db::backend::Backend;
use crate::error::plain;
use crate::syntax::words::without_literals;

/// The session at the head of a queue of waiting ones. What the server hides from our role is
/// absent.
#[derive(Clone, Debug)]
pub(super) struct Blocker {
    pub backend: Backend,
    query: Option<String>,
    locks: Option<String>,
}

impl Blocker {
    /// The head blocker of a session; none when it waits for nobody, or nobody can tell.
    pub fn of(client: &mut Client, pid: i32) -> Option<Self> {
        let row = client.query_opt(include_str!("blocker.sql"), &[&pid]);
        let row = row.ok().flatten()?;
        Some(Self {
            backend: Backend::read(&row),
            query: row.get("query"),
            locks: row.get("locks"),
        })
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.backend)?;
        // Those of a prepared transaction belong to no session.
        if self.backend.pid == 0 {
            return Ok(());
        }
        if let Some(locks) = &self.locks {
            write!(f, ", holds {}", plain(locks))?;
        }
        if let Some(query) = self.query.as_ref().filter(|query| !query.is_empty()) {
            write!(f, ", query: {}", plain(&without_literals(query)))?;
        }
        Ok(())
    }
}
