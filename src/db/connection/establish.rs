//! Establishing a connection: every address in turn, each within the time limit.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::explain::{self, Failure};
use super::tls::Mode;
use super::{Endpoint, Listener, Place, Session, Target};
use crate::error::{Error, Result};

/// A connection that is being opened, on a thread of its own. Whoever does not wait for it leaves a
/// thread that ends with the connection or with the program.
pub struct Connecting(JoinHandle<Result<Client>>);

impl Connecting {
    /// # Errors
    /// Those of [`Target::connect`].
    pub fn wait(self) -> Result<Client> {
        let ended = |_| Err(Error::undecided("the thread that connects has ended"));
        self.0.join().unwrap_or_else(ended)
    }
}

/// Begins to connect, and does not wait.
pub(super) fn begin(target: Target, listener: Listener) -> Connecting {
    Connecting(thread::spawn(move || connect(&target, Some(&listener))))
}

/// Tries the endpoints in order. A server that answered and said no ends the search, unless it
/// said that it cannot take connections now; so does libpq.
pub(super) fn connect(target: &Target, listener: Option<&Listener>) -> Result<Client> {
    let needed = target.tls.mode != Mode::Disable
        && (target.endpoints.iter()).any(|e| matches!(e.place, Place::Tcp(..)));
    // Files of TLS that are not needed need not be readable.
    let tls = needed
        .then(|| target.tls.configuration())
        .transpose()?
        .map(MakeRustlsConnect::new);
    let mut order: Vec<&Endpoint> = target.endpoints.iter().collect();
    if target.shuffle {
        fastrand::shuffle(&mut order);
    }
    // A standby is preferred by looking for one first, then for anything.
    let wishes = match target.session {
        Session::PreferStandby => vec![Session::Standby, Session::Any],
        other => vec![other],
    };
    let mut errors: Vec<Error> = Vec::new();
    for wish in wishes {
        for endpoint in &order {
            match try_endpoint(target, endpoint, wish, (tls.as_ref(), listener)) {
                Ok(client) => return Ok(client),
                Err((error, true)) => return Err(error),
                Err((error, false)) => errors.push(error),
            }
        }
    }
    Err(explain::all_failed(errors))
}

/// What each attempt needs besides an address: TLS, and who hears what the server says unasked.
type Means<'a> = (Option<&'a MakeRustlsConnect>, Option<&'a Listener>);

type Attempt<T> = std::result::Result<T, (Error, bool)>;

fn try_endpoint(
    target: &Target,
    endpoint: &Endpoint,
    wish: Session,
    means: Means<'_>,
) -> Attempt<Client> {
    let addresses = match &endpoint.place {
        Place::Socket(_) => vec![None],
        Place::Tcp(_, Some(address)) => vec![Some(*address)],
        Place::Tcp(host, None) if host.parse::<IpAddr>().is_ok() => vec![host.parse().ok()],
        Place::Tcp(host, None) => look_up(target, endpoint, host)
            .map_err(|error| (error, false))?
            .into_iter()
            .map(Some)
            .collect(),
    };
    let mut errors = Vec::new();
    for address in addresses {
        match try_address(target, endpoint, address, wish, means) {
            Ok(client) => return Ok(client),
            Err(failure) => {
                let is_final = failure.is_final();
                let error = failure.explain(target, endpoint);
                if is_final {
                    return Err((error, true));
                }
                errors.push(error);
            }
        }
    }
    Err((explain::all_failed(errors), false))
}

fn look_up(target: &Target, endpoint: &Endpoint, host: &str) -> Result<Vec<IpAddr>> {
    let (name, port) = (host.to_owned(), endpoint.port);
    let found = within(target.timeout, move || {
        let found = (name.as_str(), port).to_socket_addrs();
        found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
    });
    let failure = match found {
        Ok(Ok(addresses)) if !addresses.is_empty() => return Ok(addresses),
        Ok(Ok(_)) => Failure::UnknownHost("it has no address".to_owned()),
        Ok(Err(error)) => Failure::UnknownHost(error.to_string()),
        Err(failure) => failure,
    };
    Err(failure.explain(target, endpoint))
}

/// One address, in the ways that `sslmode` allows: `prefer` and `allow` have a second one.
fn try_address(
    target: &Target,
    endpoint: &Endpoint,
    address: Option<IpAddr>,
    wish: Session,
    (tls, listener): Means<'_>,
) -> std::result::Result<Client, Failure> {
    let ways: &[SslMode] = match (&endpoint.place, target.tls.mode) {
        // PostgreSQL has no TLS over unix sockets, and libpq ignores sslmode there.
        (Place::Socket(_), _) | (_, Mode::Disable) => &[SslMode::Disable],
        (_, Mode::Allow) => &[SslMode::Disable, SslMode::Require],
        (_, Mode::Prefer) => &[SslMode::Prefer, SslMode::Disable],
        (_, Mode::Require | Mode::VerifyCa | Mode::VerifyFull) => &[SslMode::Require],
    };
    let mut first: Option<Failure> = None;
    for way in ways {
        let mut config = config(target, endpoint, address, *way);
        if let Some(listener) = listener.cloned() {
            config.notice_callback(move |notice| listener(&notice));
        }
        let tls = tls.cloned();
        let outcome = within(target.timeout, move || {
            let client = match tls {
                Some(tls) => config.connect(tls),
                None => config.connect(NoTls),
            };
            let mut client = client.map_err(Failure::Driver)?;
            suits(&mut client, wish).map(|()| client)
        });
        match outcome.and_then(|inner| inner) {
            Ok(client) => return Ok(client),
            Err(failure) if failure.depends_on_encryption() => {
                first.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(first.unwrap_or(Failure::NoAnswer))
}

/// Runs the work on a thread of its own and gives up after the limit. The driver's own time-out
/// covers the TCP handshake only, not a server that accepts and then says nothing. A thread that is
/// given up ends with its socket or with the process; a connection that it still makes is closed.
fn within<T: Send + 'static>(
    limit: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::result::Result<T, Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name("connect".to_owned())
        .spawn(move || {
            let _ = sender.send(work());
        })
        .map_err(Failure::Thread)?;
    let received = match limit {
        Some(limit) => receiver.recv_timeout(limit),
        None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    received.map_err(|error| match error {
        RecvTimeoutError::Timeout => Failure::TimedOut(limit.unwrap_or_default()),
        RecvTimeoutError::Disconnected => Failure::NoAnswer,
    })
}

fn config(target: &Target, endpoint: &Endpoint, address: Option<IpAddr>, way: SslMode) -> Config {
    let mut config = Config::new();
    match &endpoint.place {
        Place::Socket(folder) => config.host_path(folder),
        Place::Tcp(host, _) => config.host(host),
    };
    if let Some(address) = address {
        config.hostaddr(address);
    }
    config
        .port(endpoint.port)
        .user(&target.user)
        .dbname(&target.database)
        .application_name(&target.application)
        .channel_binding(target.channel_binding)
        .ssl_mode(way)
        .ssl_negotiation(target.tls.negotiation);
    if let Some(options) = &target.options {
        config.options(options);
    }
    if let Some(password) = &endpoint.password {
        config.password(&password.0);
    }
    let keepalive = &target.keepalive;
    config
        .keepalives(keepalive.on)
        .keepalives_idle(keepalive.idle)
        .keepalives_interval(keepalive.interval)
        .keepalives_retries(keepalive.count);
    if let Some(limit) = keepalive.user_timeout {
        config.tcp_user_timeout(limit);
    }
    config
}

/// Whether the session is of the wanted kind.
fn suits(client: &mut Client, wish: Session) -> std::result::Result<(), Failure> {
    if wish == Session::Any {
        return Ok(());
    }
    let row = client
        .query_one(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'",
            &[],
        )
        .map_err(Failure::Driver)?;
    let (standby, read_only): (bool, bool) = (row.get(0), row.get(1));
    let wrong = match wish {
        Session::ReadWrite if read_only => "read-only",
        Session::ReadOnly if !read_only => "read-write",
        Session::Primary if standby => "a standby",
        Session::Standby if !standby => "not a standby",
        _ => return Ok(()),
    };
    Err(Failure::WrongSession(wrong))
}
