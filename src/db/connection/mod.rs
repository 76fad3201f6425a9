//! Where to connect, by the conventions of libpq, and connecting.

mod conninfo;
mod establish;
mod explain;
mod files;
mod parameters;
mod passfile;
mod service;
mod tls;
mod verifier;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postgres::Client;
use postgres::config::ChannelBinding;
use postgres::error::DbError;

pub use conninfo::{holds_password, take_password, unreadable};
pub use establish::Connecting;
pub use files::files;
pub use parameters::of_process;

use crate::error::{Error, Result};
use parameters::{Environment, Parameters, at_home};
use tls::Tls;

/// How long establishing a connection may take, per address, where nobody says otherwise. libpq
/// waits for ever, which a pipeline cannot.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where unix sockets are looked for when no host is named: Debian's place, then the original one.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Hears what a server says unasked: its WARNINGs and NOTICEs.
pub type Listener = Arc<dyn Fn(&DbError) + Send + Sync>;

/// A database to connect to. Its secrets are in none of its outputs.
#[derive(Clone, Debug)]
pub struct Target {
    endpoints: Vec<Endpoint>,
    user: String,
    database: String,
    application: String,
    options: Option<String>,
    /// None: for ever.
    timeout: Option<Duration>,
    keepalive: Keepalive,
    session: Session,
    channel_binding: ChannelBinding,
    shuffle: bool,
    tls: Tls,
    remarks: Vec<String>,
    /// Whether the caller named a server or database at all.
    named: bool,
}

/// One server, and the password for it.
#[derive(Clone, Debug)]
struct Endpoint {
    place: Place,
    port: u16,
    password: Option<Secret>,
    password_source: String,
}

#[derive(Clone, Debug)]
enum Place {
    /// The folder of a unix socket.
    Socket(PathBuf),
    /// A host name for name resolution and certificates; the address, where one was given.
    Tcp(String, Option<IpAddr>),
}

/// What a session must be like; `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

#[derive(Clone, Debug)]
struct Keepalive {
    on: bool,
    idle: Duration,
    interval: Duration,
    count: u32,
    user_timeout: Option<Duration>,
}

#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Target {
    /// Takes `--database-url`, else `DATABASE_URL`; the service file and the `PG*` variables fill
    /// in what it leaves out, and the defaults of libpq the rest.
    ///
    /// # Errors
    /// Settings that cannot be read.
    pub fn resolve(url: Option<&str>) -> Result<Self> {
        Self::resolve_in(url, &of_process)
    }

    /// Like [`Self::resolve`], in an environment of the caller's.
    ///
    /// # Errors
    /// Settings that cannot be read.
    pub fn resolve_in(url: Option<&str>, environment: Environment<'_>) -> Result<Self> {
        let all = Parameters::gather(url, environment)?;
        let user = match all.get("user") {
            Some(user) => user.to_owned(),
            None => whoami::username().map_err(|error| {
                Error::usage(format!(
                    "no user is named, and the account has no name: {error}"
                ))
                .hint("export PGUSER=NAME")
            })?,
        };
        let application = ["application_name", "fallback_application_name"]
            .iter()
            .find_map(|key| all.get(key))
            .unwrap_or("creditdb");
        let timeout = match all.number("connect_timeout")? {
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => Some(CONNECT_TIMEOUT),
        };
        let bindings = [
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ];
        let balance = [("disable", false), ("random", true)];
        let mut target = Self {
            endpoints: endpoints(&all)?,
            database: all.get("dbname").unwrap_or(&user).to_owned(),
            user,
            application: application.to_owned(),
            options: all.get("options").map(str::to_owned),
            timeout,
            keepalive: Keepalive::read(&all)?,
            session: Session::read(&all)?,
            channel_binding: all
                .choice("channel_binding", &bindings)?
                .unwrap_or(ChannelBinding::Prefer),
            shuffle: all.choice("load_balance_hosts", &balance)?.unwrap_or(false),
            tls: Tls::read(&all, environment)?,
            remarks: Vec::new(),
            named: all.named,
        };
        target.find_passwords(&all, environment);
        Ok(target)
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// What the server or the network said; a time-out; files of TLS that cannot be used.
    pub fn connect(&self) -> Result<Client> {
        establish::connect(self, None)
    }

    /// Opens a connection whose WARNINGs and NOTICEs are heard. They arrive while something is
    /// asked, before its answer.
    ///
    /// # Errors
    /// Those of `connect`.
    pub fn connect_with(&self, listener: &Listener) -> Result<Client> {
        establish::connect(self, Some(listener))
    }

    /// Begins to open such a connection, and lets the caller do something else until it stands:
    /// a server takes milliseconds to begin a session.
    pub fn connect_meanwhile(&self, listener: &Listener) -> Connecting {
        establish::begin(self.clone(), Arc::clone(listener))
    }

    /// Whether the server runs on this machine, as far as its addresses tell: sockets and loopback.
    pub fn is_local(&self) -> bool {
        self.endpoints.iter().all(|endpoint| match &endpoint.place {
            Place::Socket(_) => true,
            Place::Tcp(_, Some(address)) => address.is_loopback(),
            Place::Tcp(host, None) => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        })
    }

    /// Host, port, database and user in words.
    pub fn describe(&self) -> String {
        let places: Vec<String> = self.endpoints.iter().map(Endpoint::describe).collect();
        let (database, user) = (&self.database, &self.user);
        format!(
            "database \"{database}\" on \"{}\" as user \"{user}\"",
            places.join(",")
        )
    }

    /// The same server, another database of it.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// What a person who looks for the cause of trouble wants to know: where the password came
    /// from, and which password file was ignored.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn find_passwords(&mut self, all: &Parameters, environment: Environment<'_>) {
        if let (Some(password), Some(source)) = (all.get("password"), all.password_source) {
            // The program itself moves it from the one to the other, see `hide_password`.
            let source = match source {
                "PGPASSWORD" => "PGPASSWORD or --database-url",
                other => other,
            };
            for endpoint in &mut self.endpoints {
                endpoint.password = Some(Secret(password.to_owned()));
                endpoint.password_source = source.to_owned();
            }
            self.remarks
                .push(format!("the password comes from {source}"));
            return;
        }
        let named = all.get("passfile").map(PathBuf::from);
        let Some(path) = named.or_else(|| at_home(environment, ".pgpass")) else {
            return;
        };
        let text = match passfile::read(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(ignored) => return self.remarks.push(ignored),
        };
        for endpoint in &mut self.endpoints {
            let host = endpoint.name_in_password_file();
            let wanted = passfile::Wanted {
                host: &host,
                port: endpoint.port,
                database: &self.database,
                user: &self.user,
            };
            if let Some(password) = passfile::find(&text, wanted) {
                endpoint.password = Some(Secret(password));
                endpoint.password_source = format!("\"{}\"", path.display());
                let place = endpoint.describe();
                let source = &endpoint.password_source;
                self.remarks
                    .push(format!("the password for \"{place}\" comes from {source}"));
            }
        }
    }
}

impl Endpoint {
    fn describe(&self) -> String {
        let port = self.port;
        match &self.place {
            Place::Socket(folder) => self.socket(folder).display().to_string(),
            Place::Tcp(host, _) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp(host, _) => format!("{host}:{port}"),
        }
    }

    fn socket(&self, folder: &Path) -> PathBuf {
        folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// libpq calls the server behind its default socket `localhost` here, others by their folder.
    fn name_in_password_file(&self) -> String {
        match &self.place {
            Place::Socket(folder) if SOCKET_FOLDERS.iter().any(|f| folder == Path::new(f)) => {
                "localhost".to_owned()
            }
            Place::Socket(folder) => folder.display().to_string(),
            Place::Tcp(host, _) => host.clone(),
        }
    }
}

/// Lists of hosts, addresses and ports go together one by one; one port may serve all.
fn endpoints(all: &Parameters) -> Result<Vec<Endpoint>> {
    let list = |key| -> Vec<&str> { all.get(key).map_or(vec![], |v| v.split(',').collect()) };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = hosts.len().max(addresses.len()).max(1);
    let fits = |n: usize| n == 0 || n == count;
    if !fits(hosts.len()) || !fits(addresses.len()) || !(fits(ports.len()) || ports.len() == 1) {
        return Err(
            Error::usage("the lists of hosts, addresses and ports differ in length")
                .detail(format!(
                    "{} hosts, {} addresses, {} ports",
                    hosts.len(),
                    addresses.len(),
                    ports.len()
                ))
                .hint("give one host per port, or one port for all"),
        );
    }
    let at = |list: &[&str], i: usize| list.get(i).copied().unwrap_or_default().trim().to_owned();
    (0..count)
        .map(|i| {
            let port = at(&ports, if ports.len() == 1 { 0 } else { i });
            endpoint(&at(&hosts, i), &at(&addresses, i), &port)
        })
        .collect()
}

fn endpoint(host: &str, address: &str, port: &str) -> Result<Endpoint> {
    let port = match port {
        "" => 5432,
        text => text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
            Error::usage(format!("\"{text}\" is not a port")).hint("ports are 1 to 65535")
        })?,
    };
    let address = match address {
        "" => None,
        text => Some(text.parse::<IpAddr>().map_err(|_| {
            Error::usage(format!("hostaddr \"{text}\" is not an IP address"))
                .hint("put names into host")
        })?),
    };
    let place = match (host, address) {
        ("", None) => Place::Socket(socket_folder(port)),
        ("", Some(address)) => Place::Tcp(address.to_string(), Some(address)),
        (folder, None) if folder.starts_with('/') => Place::Socket(folder.into()),
        (name, address) => Place::Tcp(name.to_owned(), address),
    };
    Ok(Endpoint {
        place,
        port,
        password: None,
        password_source: String::new(),
    })
}

/// The first default folder with a socket in it.
fn socket_folder(port: u16) -> PathBuf {
    let folders = SOCKET_FOLDERS.map(PathBuf::from);
    let [first, _] = &folders;
    let found = folders
        .iter()
        .find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists());
    found.unwrap_or(first).clone()
}

impl Session {
    fn read(all: &Parameters) -> Result<Self> {
        let choices = [
            ("any", Self::Any),
            ("read-write", Self::ReadWrite),
            ("read-only", Self::ReadOnly),
            ("primary", Self::Primary),
            ("standby", Self::Standby),
            ("prefer-standby", Self::PreferStandby),
        ];
        let found = all.choice("target_session_attrs", &choices)?;
        Ok(found.unwrap_or(Self::Any))
    }
}

impl Keepalive {
    /// The system's default of two hours is longer than the patience of most load balancers, and a
    /// migration can be silent for long. There is no default for `tcp_user_timeout`: it would also
    /// cut off a COPY whose server waits for a lock and so reads nothing.
    fn read(all: &Parameters) -> Result<Self> {
        let seconds = |key, default| -> Result<Duration> {
            let given = all.number(key)?.filter(|n| *n > 0);
            Ok(Duration::from_secs(given.unwrap_or(default)))
        };
        let count = all.number("keepalives_count")?.filter(|n| *n > 0);
        let user_timeout = all.number("tcp_user_timeout")?.filter(|n| *n > 0);
        Ok(Self {
            on: all.number("keepalives")? != Some(0),
            idle: seconds("keepalives_idle", 60)?,
            interval: seconds("keepalives_interval", 10)?,
            count: count.map_or(6, |n| u32::try_from(n).unwrap_or(u32::MAX)),
            user_timeout: user_timeout.map(Duration::from_millis),
        })
    }
}
