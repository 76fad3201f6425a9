//! A session of the server, told to a person who waits for it.

use std::fmt;
use std::time::Duration;

use postgres::Row;

/// A process of the server. What it hides from our role is absent.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its process id; 0 for a prepared transaction, whose locks belong to no session.
    pub pid: i32,
    user: Option<String>,
    application: Option<String>,
    state: Option<String>,
    /// How long its transaction is open.
    age: Option<Duration>,
}

impl Backend {
    /// From columns of `pg_stat_activity`: `pid`, `usename` (as text), `application_name`, `state`;
    /// and `age_ms`, milliseconds since `xact_start`.
    pub fn read(row: &Row) -> Self {
        let age: Option<i64> = row.get("age_ms");
        Self {
            pid: row.get("pid"),
            user: row.get("usename"),
            application: row.get("application_name"),
            state: row.get("state"),
            age: age
                .and_then(|ms| u64::try_from(ms).ok())
                .map(Duration::from_millis),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        Ok(())
    }
}
