//! What can be known to go wrong is said before the first statement: a server that takes no
//! changes, a proxy that shares sessions, privileges that are missing, a disk that is too small.

mod disk;
mod privileges;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use postgres::{Client, SimpleQueryMessage};

use super::history::History;
use super::set::File;
use crate::db::Target;
use crate::db::session::STAY;
use crate::error::{Error, Kind, Result};

pub(super) use disk::check as disk;
pub(super) use privileges::check as privileges;

/// How long to wait for a second connection, which serves a question only.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether this session can change anything, and is one session; from here on it lasts.
///
/// # Errors
/// Refused, with the reason.
pub(super) fn session(target: &Target, client: &mut Client) -> Result<()> {
    one_session(target, client)?;
    writable(client)?;
    client.batch_execute(STAY)?;
    Ok(())
}

/// Whether this session can change anything.
///
/// # Errors
/// Refused, with the reason.
pub(super) fn writable(client: &mut Client) -> Result<()> {
    let row = client.query_one(
        "SELECT pg_catalog.pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'",
        &[],
    )?;
    // A standby would refuse each statement with words that do not say what to do.
    if row.get(0) {
        return Err(
            Error::refused("this server is a standby: it takes no changes")
                .hint("connect to the primary"),
        );
    }
    if row.get(1) {
        return Err(Error::refused(
            "this session is read-only: default_transaction_read_only is on",
        )
        .detail("it is set for the role, the database or the server, or by the connection")
        .hint("ALTER ROLE … SET default_transaction_read_only = off, or connect as another role"));
    }
    Ok(())
}

/// Whether the pending files can be applied, as far as that is known beforehand.
///
/// # Errors
/// Refused, with everything that is missing.
pub(super) fn work(
    target: &Target,
    client: &mut Client,
    files: &[&File],
    history: &History,
) -> Result<()> {
    schema(client, history)?;
    privileges(client, files, history)?;
    disk(target, client, files)
}

/// The history is made before the first file, so no file can make its schema.
///
/// # Errors
/// Refused, when the schema is not there.
pub(super) fn schema(client: &mut Client, history: &History) -> Result<()> {
    if !history.rows.is_empty() {
        return Ok(());
    }
    let query = "SELECT pg_catalog.to_regnamespace($1) IS NULL";
    if !client
        .query_one(query, &[&history.schema])?
        .get::<_, bool>(0)
    {
        return Ok(());
    }
    let schema = &history.schema;
    Err(
        Error::refused(format!("refused to migrate: there is no schema {schema}"))
            .detail("the history of the migrations belongs there; nothing was changed")
            .hint(format!("CREATE SCHEMA {schema}")),
    )
}

/// Behind a proxy that hands the server's sessions out for one transaction each, two clients meet
/// in one session, or one client finds itself in two. The lock of the deployer would then protect
/// nothing and stay behind for ever. Simple queries only: prepared statements get lost there.
fn one_session(target: &Target, client: &mut Client) -> Result<()> {
    // Twice in a row shows a pool whose sessions take turns, and the other client shows one that
    // hands out the session that came back last.
    let first = pid(client)?;
    let is_constant = pid(client)? == first;
    let other = pid_of_another(target);
    if is_constant && other.is_none_or(|other| other != first) && pid(client)? == first {
        return Ok(());
    }
    Err(pooled())
}

/// Where another client finds itself. None when there is no room for one, which says nothing about
/// the first: a pool of sessions that are all taken lets it wait for minutes.
fn pid_of_another(target: &Target) -> Option<Option<String>> {
    let target = target.clone();
    let (sender, receiver) = mpsc::channel();
    // Given up, the thread ends with its answer or with the process.
    thread::spawn(move || {
        let answer = target.connect().and_then(|mut client| pid(&mut client));
        let _ = sender.send(answer);
    });
    receiver.recv_timeout(PATIENCE).ok()?.ok()
}

fn pid(client: &mut Client) -> Result<Option<String>> {
    let answer = client.simple_query("SELECT pg_catalog.pg_backend_pid()")?;
    Ok(answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

fn pooled() -> Error {
    Error::refused("the connection goes through a proxy that pools transactions, such as PgBouncer")
        .detail("the migration lock and the settings of a session need a session of their own; nothing was changed")
        .hint("connect to the server itself, or through a pool with pool_mode = session")
}

/// What went wrong before anything was asked about the session may be the work of such a proxy:
/// a prepared statement that vanished, or that somebody else prepared.
pub(super) fn explain(target: &Target, error: Error) -> Error {
    let is_pooled = match error.sqlstate() {
        Some("26000" | "42P05") => true,
        // One that pools statements ends the session that begins a transaction, and its words
        // about that may get lost.
        state if state == Some("08P01") || error.connection_lost() => target
            .connect()
            .and_then(|mut client| one_session(target, &mut client))
            .is_err_and(|error| error.kind() == Kind::Refused),
        _ => false,
    };
    if is_pooled {
        return pooled().detail(format!("the first answer was: {error}"));
    }
    error
}

/// Whether the server can notice that a client is gone while it works for it; it cannot on every
/// operating system.
///
/// # Errors
/// A lost connection.
pub(super) fn checks_connection(client: &mut Client) -> Result<bool> {
    match client.batch_execute("SET client_connection_check_interval = 2000") {
        Ok(()) => Ok(true),
        Err(error) if client.is_closed() => Err(error.into()),
        Err(_) => Ok(false),
    }
}
