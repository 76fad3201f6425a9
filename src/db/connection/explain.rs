//! Why a connection did not come about, in words, with what to do about it.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::tls::{self, Roots};
use super::{Endpoint, Place, Target};
use crate::db::session::quote_identifier;
use crate::error::{Error, ServerError, shell_word};

/// Why one attempt failed.
pub(super) enum Failure {
    /// The driver, the server or the network said so.
    Driver(postgres::Error),
    /// Nothing came within the limit.
    TimedOut(Duration),
    /// The attempt ended without a word.
    NoAnswer,
    /// The attempt could not even be started.
    Thread(io::Error),
    /// Name resolution failed.
    UnknownHost(String),
    /// A session came about, but is not what `target_session_attrs` wants.
    WrongSession(&'static str),
}

impl Failure {
    /// Whether other addresses need not be tried: the server has spoken.
    pub fn is_final(&self) -> bool {
        let Self::Driver(error) = self else {
            return false;
        };
        match error.code() {
            Some(code) => code.code() != "57P03",
            None => network_error(error).is_none() || tls_error(error).is_some(),
        }
    }

    /// Whether the same server may say yes with TLS instead of without, or the other way round.
    pub fn depends_on_encryption(&self) -> bool {
        let Self::Driver(error) = self else {
            return false;
        };
        error.code().is_some_and(|code| code.code() == "28000")
            || tls_error(error).is_some()
            || words(error) == NO_TLS
    }

    /// The error that a person reads.
    pub fn explain(self, target: &Target, endpoint: &Endpoint) -> Error {
        let place = endpoint.describe();
        let refuse =
            |why: String| Error::undecided(format!("cannot connect to \"{place}\": {why}"));
        let check = endpoint.check_command();
        match self {
            Self::Driver(error) => driver(&error, target, endpoint),
            Self::TimedOut(limit) => refuse(format!("no answer within {} s", limit.as_secs()))
                .detail("the limit is connect_timeout (PGCONNECT_TIMEOUT), in seconds; 0 is none")
                .hint(format!("check host, port and firewall: {check}")),
            Self::NoAnswer => refuse("the attempt ended without an answer".to_owned()).hint(check),
            Self::Thread(error) => refuse(format!("no thread can be started: {error}"))
                .hint("raise the limit of processes: ulimit -u"),
            Self::UnknownHost(why) => refuse("the host name is not known".to_owned())
                .detail(why)
                .hint("correct the host in --database-url, DATABASE_URL or PGHOST"),
            Self::WrongSession(kind) => refuse(format!("the session is {kind}"))
                .detail(WRONG_SESSION)
                .hint("name the hosts of all servers: postgres://USER@HOST1,HOST2/DATABASE"),
        }
    }
}

/// One error out of the failures of several addresses: the last one, and the others' first lines.
pub(super) fn all_failed(mut errors: Vec<Error>) -> Error {
    // A server that was reached and is of the wrong kind says more than one that is down.
    let says_most = |error: &Error| error.details().iter().any(|line| line == WRONG_SESSION);
    let at = errors.iter().rposition(says_most);
    let Some(main) = at.map(|at| errors.remove(at)).or_else(|| errors.pop()) else {
        return Error::undecided("cannot connect: there is no address to try");
    };
    errors.into_iter().fold(main, |main, other| {
        let line = other.primary();
        if main.primary() == line || main.details().iter().any(|known| known == line) {
            return main;
        }
        main.detail(line)
    })
}

const WRONG_SESSION: &str = "target_session_attrs (PGTARGETSESSIONATTRS) asks for another kind";

/// What the driver says of a server that declines TLS.
const NO_TLS: &str = "server does not support TLS";

/// What it says where channel binding was required.
const NO_BINDING: &str = "server did not use channel binding";

/// What it says of a way to authenticate that it does not have.
const NO_METHOD: &str = "unsupported authentication method";

fn driver(error: &postgres::Error, target: &Target, endpoint: &Endpoint) -> Error {
    let place = endpoint.describe();
    let doing = format!("cannot connect to \"{place}\"");
    if error.code().is_some() {
        return server(error, target, endpoint).during(doing);
    }
    let refuse = |why: &str| Error::undecided(format!("{doing}: {why}"));
    if let Some(cause) = tls_error(error) {
        return tls(cause, target, endpoint).during(doing);
    }
    if let Some(cause) = network_error(error) {
        return network(cause, target, endpoint).during(doing);
    }
    if error.is_closed() {
        return hung_up().during(doing).hint(endpoint.check_command());
    }
    match words(error).as_str() {
        "password missing" => {
            let user = &target.user;
            let error = refuse(&format!("the server wants a password for user \"{user}\""))
                .detail("none was given, and the password file has no line for this server");
            with_remarks(error, target).hint(format!(
                "export PGPASSWORD=…, or add to ~/.pgpass: {}:{}:{}:{user}:PASSWORD",
                endpoint.name_in_password_file().replace(':', "\\:"),
                endpoint.port,
                target.database
            ))
        }
        NO_TLS => refuse("the server does not offer TLS")
            .detail("sslmode asks for an encrypted connection")
            .hint("turn on \"ssl\" on the server, or use sslmode=prefer on a network you trust"),
        NO_BINDING => refuse("the server did not use channel binding")
            .detail("channel_binding=require asks for TLS, and for a password that SCRAM proves")
            .hint("add sslmode=require, or use channel_binding=prefer on a network you trust"),
        NO_METHOD => refuse("the server asks for an unsupported way to authenticate")
            .detail("passwords and client certificates are known, GSSAPI and SSPI are not")
            .hint("ask for a line in pg_hba.conf with scram-sha-256 or cert"),
        other => refuse(other)
            .detail("this may not be a PostgreSQL server")
            .hint(endpoint.check_command()),
    }
}

/// What a server said instead of letting us in.
fn server(error: &postgres::Error, target: &Target, endpoint: &Endpoint) -> Error {
    let said = ServerError::read(error);
    let (user, database) = (&target.user, &target.database);
    let message = said.message.as_str();
    let ours = Error::undecided(message).with_server_words(&said);
    match said.sqlstate.as_deref().unwrap_or_default() {
        "28P01" => with_remarks(ours, target)
            .detail(format!(
                "the password came from {}",
                endpoint.password_source
            ))
            .hint("correct the password there; PGPASSWORD goes before ~/.pgpass"),
        "28000" if message.contains("client certificate") => {
            ours.hint("sslcert=FILE and sslkey=FILE with a certificate that the server trusts")
        }
        "28000" if message.contains("pg_hba.conf") && message.contains("no encryption") => {
            ours.hint("sslmode=require, or a line for this client in pg_hba.conf")
        }
        "28000" if message.contains("pg_hba.conf") => ours.hint(
            "pg_hba.conf needs a line that admits this client, user and database, \
                 above any that rejects them",
        ),
        "28000" if message.contains("does not exist") => ours.hint(format!(
            "name another user (PGUSER), or: createuser {} {}",
            endpoint.options(),
            shell_word(user)
        )),
        "28000" => ours.hint(format!("name another user than \"{user}\" (PGUSER)")),
        "3D000" => ours.hint(format!(
            "list them with psql {0} -U {1} -l, or: createdb {0} -U {1} {2}",
            endpoint.options(),
            shell_word(user),
            shell_word(database)
        )),
        // Other privileges may be missed here as well, such as one on a parameter of `options`.
        "42501" if is_raised_by(error, "CheckMyDatabase") => ours.hint(format!(
            "GRANT CONNECT ON DATABASE {} TO {}",
            quote_identifier(database),
            quote_identifier(user)
        )),
        "53300" => ours.hint("end idle sessions or raise max_connections, then try again"),
        "57P03" => ours.hint(format!(
            "wait until it is ready: {}",
            endpoint.check_command()
        )),
        _ => ours,
    }
}

/// The names of the server's routines are the same in every language.
fn is_raised_by(error: &postgres::Error, routine: &str) -> bool {
    let said = error.as_db_error();
    said.is_some_and(|said| said.routine() == Some(routine))
}

fn network(cause: &io::Error, target: &Target, endpoint: &Endpoint) -> Error {
    let local = matches!(endpoint.place, Place::Socket(_));
    let error = match cause.kind() {
        ErrorKind::NotFound if local => Error::undecided("there is no such socket")
            .detail("no server runs here, or it has another unix_socket_directories or port"),
        ErrorKind::ConnectionRefused if local => Error::undecided("nothing listens on this socket")
            .detail("it was left behind by a server that has ended"),
        ErrorKind::ConnectionRefused => Error::undecided("nothing listens there")
            .detail("the server is down, or listen_addresses or the port is another"),
        ErrorKind::PermissionDenied => Error::undecided("permission denied"),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => hung_up(),
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => {
            Error::undecided("the answer is not one of a PostgreSQL server")
                .detail(format!("the driver says: {cause}"))
        }
        _ => Error::undecided(cause.to_string()),
    };
    if target.named {
        return error.hint(endpoint.check_command());
    }
    error
        .detail("no server was named, so the local one was tried")
        .hint("name it: --database-url postgres://USER@HOST/DATABASE")
}

fn hung_up() -> Error {
    Error::undecided("the server closed the connection")
        .detail("it may not be a PostgreSQL server, or is just shutting down")
}

fn tls(cause: &TlsError, target: &Target, endpoint: &Endpoint) -> Error {
    let refuse = |why: &str| Error::undecided(why.to_owned());
    let roots = match &target.tls.roots {
        Roots::File(file) => format!("\"{}\"", file.display()),
        Roots::System | Roots::Missing => "the system's store".to_owned(),
    };
    let TlsError::InvalidCertificate(flaw) = cause else {
        return match cause {
            TlsError::AlertReceived(
                alert @ (AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::AccessDenied),
            ) => refuse("the server rejects the client certificate")
                .detail(format!("its TLS alert: {alert:?}"))
                .hint("sslcert=FILE and sslkey=FILE with a certificate that the server trusts"),
            other => refuse("TLS failed")
                .detail(other.to_string())
                .hint("TLS 1.2 or newer is needed; see ssl_min_protocol_version on the server"),
        };
    };
    match flaw {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = match flaw {
                CertificateError::NotValidForNameContext { presented, .. } => presented.as_slice(),
                _ => &[],
            };
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            refuse("the server's certificate is for another name")
                .detail(match names.as_slice() {
                    [] => "the certificate has no subject alternative name at all".to_owned(),
                    names => format!("the certificate names {}", names.join(", ")),
                })
                .hint(
                    "use a name of the certificate as the host, \
                     or check the issuer only: sslmode=verify-ca",
                )
        }
        CertificateError::UnknownIssuer => {
            refuse("the server's certificate is from an unknown issuer")
                .detail(format!("no root certificate in {roots} has signed it"))
                .hint("sslrootcert=FILE with the root certificate of the server's issuer")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            refuse("the server's certificate has expired")
                .detail(flaw.to_string())
                .hint("renew the certificate of the server; then reload it")
        }
        old if tls::is_before_version_3(old) => {
            refuse("the server's certificate is not acceptable")
                .detail("its format is X.509 version 1 or 2, and only version 3 is read")
                .hint(tls::REMAKE_AS_VERSION_3)
        }
        other => refuse("the server's certificate is not acceptable")
            .detail(other.to_string())
            .hint(format!(
                "look at it: openssl s_client -starttls postgres -connect {}",
                endpoint.describe()
            )),
    }
}

/// rustls names the kind of a name as well: `DnsName("db.example")`.
fn quoted(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    format!("\"{}\"", inner.unwrap_or(name).trim_matches('"'))
}

/// Ignored password files belong to the story of a password that is missing or wrong.
fn with_remarks(error: Error, target: &Target) -> Error {
    let ignored = target
        .remarks
        .iter()
        .filter(|line| line.contains("is ignored"));
    ignored.fold(error, Error::detail)
}

impl Endpoint {
    /// What to type to see whether a server is there.
    fn check_command(&self) -> String {
        format!("pg_isready {}", self.options())
    }

    /// How PostgreSQL's own programs are told of this server, and not of the one of the account.
    fn options(&self) -> String {
        let host = match &self.place {
            Place::Socket(folder) => folder.display().to_string(),
            Place::Tcp(host, _) => host.clone(),
        };
        format!("-h {} -p {}", shell_word(&host), self.port)
    }
}

/// The innermost words of the driver, without its "error performing …" in front.
fn words(error: &postgres::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn network_error(error: &postgres::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

/// rustls hands its errors through wrapped into one of the network.
fn tls_error(error: &postgres::Error) -> Option<&TlsError> {
    network_error(error)?.get_ref()?.downcast_ref()
}
