//! Who stands in the way of a statement that waits for a lock.

use std::fmt;
use std::time::Duration;

use postgres::Client;

use crate::syntax::words::without_literals;

/// The session at the head of a queue of waiting ones. What the server hides from our role is
/// absent.
#[derive(Clone, Debug)]
pub(super) struct Blocker {
    pub pid: i32,
    user: Option<String>,
    application: Option<String>,
    state: Option<String>,
    age: Option<Duration>,
    query: Option<String>,
    locks: Option<String>,
}

impl Blocker {
    /// The head blocker of a session; none when it waits for nobody, or nobody can tell.
    pub fn of(client: &mut Client, pid: i32) -> Option<Self> {
        let row = client.query_opt(include_str!("blocker.sql"), &[&pid]);
        let row = row.ok().flatten()?;
        let age_ms: Option<i64> = row.get(4);
        Some(Self {
            pid: row.get(0),
            user: row.get(1),
            application: row.get(2),
            state: row.get(3),
            age: age_ms
                .and_then(|ms| u64::try_from(ms).ok())
                .map(Duration::from_millis),
            query: row.get(5),
            locks: row.get(6),
        })
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Locks of prepared transactions belong to no session.
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        write!(f, "pid {}", self.pid)?;
        if let Some(user) = &self.user {
            write!(f, ", user {user}")?;
        }
        if let Some(application) = self.application.as_ref().filter(|name| !name.is_empty()) {
            write!(f, ", application \"{}\"", application.escape_debug())?;
        }
        if let Some(state) = &self.state {
            write!(f, ", {state}")?;
        }
        if let Some(age) = self.age {
            // A tenth of a second is as exact as anybody needs.
            let age =
                Duration::from_millis(u64::try_from(age.as_millis() / 100 * 100).unwrap_or(0));
            write!(
                f,
                ", transaction open for {}",
                humantime::format_duration(age)
            )?;
        }
        if let Some(locks) = &self.locks {
            write!(f, ", holds {locks}")?;
        }
        if let Some(query) = self.query.as_ref().filter(|query| !query.is_empty()) {
            write!(f, ", query: {}", without_literals(query))?;
        }
        Ok(())
    }
}
