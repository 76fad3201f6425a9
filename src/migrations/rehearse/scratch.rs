//! The database that a rehearsal takes place in: on a throw-away server, or on one that the caller
//! names; gone afterwards.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postgres::Client;

use crate::db::Target;
use crate::db::connection;
use crate::db::session::{self, quote_identifier};
use crate::db::throwaway::{Options, Throwaway, find_binaries_preferring};
use crate::error::{Error, Result};
use crate::migrations::options::Stop;

/// Begins the name of every scratch database, so that a person finds one that was left behind.
const PREFIX: &str = "creditdb_rehearsal_";

/// Between two looks whether somebody wants it to end.
const PAUSE: Duration = Duration::from_millis(50);

/// What of the caller's environment is also about the scratch server: never its passwords or
/// addresses, which belong to the live one.
const SHARED_VARIABLES: [&str; 3] = ["HOME", "PGPASSFILE", "PGSSLROOTCERT"];

/// A scratch database; dropping it drops the database.
pub(super) struct Scratch {
    /// To it.
    pub target: Target,
    /// In words.
    pub server: String,
    /// Whether the server is ours alone.
    pub is_own: bool,
    pub major: u32,
    name: String,
    admin: Target,
    /// Nothing on a server of our own.
    watch: Option<Watch>,
    /// Held for as long as the rehearsal lasts.
    _server: Option<Throwaway>,
}

impl Scratch {
    /// Makes an empty database on the server of `url`, else on a throw-away one.
    ///
    /// # Errors
    /// No server binaries, an unreachable server, a missing CREATEDB.
    pub fn create(url: Option<&str>, live_major: u32, stop: &Stop) -> Result<Self> {
        let (admin, server) = match url {
            Some(url) => {
                let shared = |name: &str| {
                    SHARED_VARIABLES
                        .contains(&name)
                        .then(|| connection::of_process(name))
                        .flatten()
                };
                (Target::resolve_in(Some(url), &shared)?, None)
            }
            None => {
                let server = Throwaway::start(&options(live_major)?)?;
                (server.target("postgres")?, Some(server))
            }
        };
        let mut client = admin
            .connect()
            .map_err(|e| e.during("the scratch server"))?;
        let major = major(&mut client)?;
        if major < live_major {
            return Err(Error::undecided(format!(
                "the scratch server has PostgreSQL {major}, the live one {live_major}"
            ))
            .detail("an older server cannot take the schema of a newer one")
            .hint(format!(
                "export CREDITDB_PG_BIN=$(ci/postgres.sh {live_major})"
            )));
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("{PREFIX}{}_{}", std::process::id(), now.as_nanos());
        client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .map_err(|e| Error::from(e).during("making the scratch database"))?;
        let place = if server.is_some() {
            "a throw-away server"
        } else {
            "the scratch server"
        };
        Ok(Self {
            target: admin.with_database(&name),
            server: format!("{place} with PostgreSQL {major}"),
            is_own: server.is_some(),
            major,
            watch: server.is_none().then(|| Watch::start(&admin, &name, stop)),
            name,
            admin,
            _server: server,
        })
    }

    /// Settings that RESET ALL goes back to: those of the live database that say what names, times
    /// and dates in the files mean, and no parallel workers, whose reading would be counted
    /// elsewhere.
    pub fn configure(&self, live: &mut Client) -> Result<()> {
        const MEANINGS: &str = "SELECT pg_catalog.format('%I = %L', name, setting)
                                  FROM pg_catalog.pg_settings
                                 WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle')";
        let name = &self.name;
        let search_path = session::search_path(live)?;
        let meanings = names(live, MEANINGS)?
            .into_iter()
            .map(|meaning| format!("ALTER DATABASE {name} SET {meaning};"))
            .collect::<String>();
        let settings = format!(
            "ALTER DATABASE {name} SET max_parallel_workers_per_gather = 0;
             ALTER DATABASE {name} SET max_parallel_maintenance_workers = 0;
             {meanings}
             ALTER DATABASE {name} SET search_path = {search_path}"
        );
        Ok(self.target.connect()?.batch_execute(&settings)?)
    }

    /// Why owners and grants have to be left out here; nothing where they need not be. On a server
    /// of our own the roles of the live one are made.
    pub fn without_owners(&self, live: &mut Client) -> Result<Option<String>> {
        const ROLES: &str = "SELECT rolname::text FROM pg_catalog.pg_roles ORDER BY 1";
        let mut here = self.admin.connect()?;
        let known = names(&mut here, ROLES)?;
        let mut missing = names(live, ROLES)?;
        missing.retain(|role| !known.contains(role));
        if self.is_own {
            for role in missing.drain(..).filter(|role| !role.starts_with("pg_")) {
                here.batch_execute(&format!("CREATE ROLE {}", quote_identifier(&role)))?;
            }
            return Ok(None);
        }
        // Predefined roles come with the version; what is granted to them may be left out.
        missing.retain(|role| !role.starts_with("pg_"));
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Ok(Some(format!("the scratch server has no role {missing}")));
        }
        let role = here.query_one(
            "SELECT rolname::text, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user",
            &[],
        )?;
        let (role, is_superuser): (String, bool) = (role.get(0), role.get(1));
        let mut owners = names(live, include_str!("owners.sql"))?;
        owners.retain(|owner| *owner != role);
        // A member of the owner could give it nothing either: until the grants are there, which
        // come last, the owner may create nothing in the schemas.
        if is_superuser || owners.is_empty() {
            return Ok(None);
        }
        let owners = owners.join(", ");
        Ok(Some(format!(
            "{role} is no superuser of the scratch server, so it owns there what belongs to {owners}"
        )))
    }
}

fn names(client: &mut Client, query: &str) -> Result<Vec<String>> {
    let rows = client.query(query, &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.end();
            remove(&self.admin, &self.name);
        }
    }
}

fn remove(admin: &Target, name: &str) {
    if let Ok(mut client) = admin.connect() {
        // Nothing can be done about a failure here; the name tells where it came from.
        let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }
}

/// Drops the database as soon as somebody wants the rehearsal to end, whatever that is doing: a
/// statement that runs there ends with its session.
struct Watch {
    over: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start(admin: &Target, name: &str, stop: &Stop) -> Self {
        let (over, is_over) = mpsc::channel();
        let (admin, name, stop) = (admin.clone(), name.to_owned(), stop.clone());
        let thread = thread::spawn(move || {
            while is_over.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                if stop.is_set() {
                    return remove(&admin, &name);
                }
            }
        });
        Self { over, thread }
    }

    fn end(self) {
        drop(self.over);
        // It has nothing to say, and what it had to do is done once more.
        let _ = self.thread.join();
    }
}

/// Binaries of the live server's own major where Debian has them, else what is there.
fn options(live_major: u32) -> Result<Options> {
    Ok(Options {
        binaries: Some(find_binaries_preferring(Some(live_major))?),
        // Its work would be taken for that of the migrations.
        settings: vec![("autovacuum".to_owned(), "off".to_owned())],
        durable: false,
    })
}

/// The major version of a server.
pub(super) fn major(client: &mut Client) -> Result<u32> {
    let row = client.query_one(
        "SELECT pg_catalog.current_setting('server_version_num')::int / 10000",
        &[],
    )?;
    Ok(u32::try_from(row.get::<_, i32>(0)).unwrap_or_default())
}
