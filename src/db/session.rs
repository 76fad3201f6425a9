//! Questions about a session that more than one part asks.

use std::time::Duration;

use postgres::{
    Client, GenericClient, IsolationLevel, SimpleQueryMessage, SimpleQueryRow, Transaction,
};

use super::trust;
use crate::error::Result;

/// How long the server leaves a client alone that is silent in the middle of a transaction. We are
/// silent for milliseconds only, so this one was stopped or is frozen, and what it holds must not
/// block others for ever: its locks the gateway, its snapshot every concurrent index build.
pub const SILENCE: Duration = Duration::from_secs(10);

/// Lets the server wait for a client that is silent between two transactions, whatever the role or
/// the database has set: while we pause, or replay elsewhere, the session holds the lock of the
/// deployer.
pub const STAY: &str = "SET idle_session_timeout = 0";

/// Lifts the limit that servers have since PostgreSQL 17 on whole transactions, for this one.
pub const UNLIMITED: &str = "SELECT CASE
    WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
    THEN pg_catalog.set_config('transaction_timeout', '0', true) END";

/// How the server writes what definitions and copied rows consist of. A role or a database may have
/// settings of its own, a time zone above all, and a definition is compared with that of another
/// session, a row read by one. In which order days and months are read stays as it is.
const SPELLING: &str = "SET LOCAL quote_all_identifiers = off;
     SET LOCAL TimeZone = 'UTC';
     SET LOCAL DateStyle = 'ISO';
     SET LOCAL IntervalStyle = 'postgres';
     SET LOCAL extra_float_digits = 1;
     SET LOCAL bytea_output = 'hex'";

/// One moment for several questions, and no way to write, on a standby as well. What is read is
/// written the same way, whatever the role or the database has set. Reading a definition takes a
/// lock, which somebody who alters the table may keep from us for as long as he likes.
///
/// # Errors
/// What the server says.
pub fn read_only(client: &mut Client) -> Result<Transaction<'_>> {
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()?;
    transaction.batch_execute(&format!(
        "SET LOCAL idle_in_transaction_session_timeout = {0}; SET LOCAL lock_timeout = {0};
         {SPELLING}",
        SILENCE.as_millis()
    ))?;
    Ok(transaction)
}

/// Quotes an identifier for SQL text.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text for SQL text, whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// The search path as another role can set it: with the name of this one in place of `"$user"`.
const SEARCH_PATH: &str = r#"SELECT pg_catalog.string_agg(pg_catalog.quote_ident(
           CASE WHEN plain = '$user' THEN current_user::text ELSE plain END), ', ' ORDER BY at)
    FROM pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'),
                                   '"(?:[^"]|"")*"|[^",[:space:]]+', 'g')
         WITH ORDINALITY AS m (words, at),
         LATERAL (SELECT CASE WHEN words[1] LIKE '"%' THEN pg_catalog.replace(pg_catalog.substr(
                                       words[1], 2, pg_catalog.length(words[1]) - 2), '""', '"')
                              ELSE pg_catalog.lower(words[1]) END) AS name (plain)"#;

/// The search path of this session, for a session of another role.
///
/// # Errors
/// What the server says.
pub fn search_path(client: &mut impl GenericClient) -> Result<String> {
    let path = single(&rows(client, SEARCH_PATH)?);
    Ok(path.unwrap_or_else(|| r#""""#.to_owned()))
}

/// The rows of a query as text. One round trip, where a prepared statement takes three.
///
/// # Errors
/// What the server says.
pub fn rows(
    client: &mut impl GenericClient,
    query: &str,
) -> std::result::Result<Vec<SimpleQueryRow>, postgres::Error> {
    let messages = client.simple_query(query)?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.collect())
}

/// The rows of several queries, sent in one message; nobody else's change comes between them in a
/// snapshot only.
///
/// # Errors
/// What the server says about the first that fails.
pub fn rows_of_each(
    client: &mut impl GenericClient,
    queries: &[String],
) -> std::result::Result<Vec<Vec<SimpleQueryRow>>, postgres::Error> {
    let mut answers = vec![Vec::new()];
    for message in client.simple_query(&queries.join(";\n"))? {
        match message {
            SimpleQueryMessage::Row(row) => {
                if let Some(rows) = answers.last_mut() {
                    rows.push(row);
                }
            }
            SimpleQueryMessage::CommandComplete(_) => answers.push(Vec::new()),
            _ => {}
        }
    }
    answers.truncate(queries.len());
    Ok(answers)
}

/// The table that says at which version the schema of the ledger is. Its columns are not looked up:
/// that costs a new session more than all else that `migrate` asks when there is nothing to do.
pub const SCHEMA_VERSION: &str = "public.schema_version";

/// Its newest row. Rows of one deployment can share a time stamp, so the version itself breaks the
/// tie. A table that somebody else made may have other columns: a column that it lacks is found in
/// `missing` then, as any name is that the inner query does not know, and nothing is said.
pub const NEWEST_SCHEMA_VERSION: &str =
    "SELECT newest.version FROM (SELECT NULL, NULL) AS missing (version, applied_at), LATERAL (
       SELECT version FROM public.schema_version WHERE applied_at IS NOT NULL
        ORDER BY applied_at DESC,
                 CASE WHEN version::text ~ '^[0-9]{1,9}([.][0-9]{1,9})*$'
                      THEN string_to_array(version::text, '.')::int[] END DESC NULLS LAST
        LIMIT 1) AS newest";

/// The newest row of `public.schema_version`, where that table exists and has one.
///
/// # Errors
/// What the server says, such as a missing privilege.
pub fn schema_version(client: &mut impl GenericClient) -> Result<Option<String>> {
    if !has_schema_version(client)? {
        return Ok(None);
    }
    Ok(single(&rows(client, NEWEST_SCHEMA_VERSION)?))
}

/// Whether that table is there, and reading it runs nothing of somebody else's.
fn has_schema_version(client: &mut impl GenericClient) -> Result<bool> {
    let found = trust::look(client, &[SCHEMA_VERSION])?;
    Ok(found.iter().any(trust::Found::is_harmless))
}

/// Version and description of a row of `public.schema_version`.
pub type SchemaVersion = (String, Option<String>);

/// The rows of `public.schema_version`, the oldest first; none where there is no such table, or one
/// that somebody else made for something else.
///
/// # Errors
/// What the server says, such as a missing privilege.
pub fn schema_versions(client: &mut impl GenericClient) -> Result<Option<Vec<SchemaVersion>>> {
    if !has_schema_version(client)? {
        return Ok(None);
    }
    let is_ours = "SELECT count(*) = 3 FROM pg_catalog.pg_attribute
        WHERE attrelid = pg_catalog.to_regclass('public.schema_version') AND NOT attisdropped
          AND (attname = 'applied_at' OR attname IN ('version', 'description')
               AND atttypid IN ('text'::pg_catalog.regtype, 'varchar'::pg_catalog.regtype))";
    if !client.query_one(is_ours, &[])?.get::<_, bool>(0) {
        return Ok(None);
    }
    let rows = "SELECT version::text, description::text FROM public.schema_version
                 WHERE version IS NOT NULL ORDER BY applied_at";
    let rows = client.query(rows, &[])?;
    Ok(Some(
        rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
    ))
}

/// The first value of the first row.
pub fn single(rows: &[SimpleQueryRow]) -> Option<String> {
    rows.first().and_then(|row| row.get(0)).map(str::to_owned)
}

/// How many further sessions an ordinary role may open, as far as the server says.
///
/// # Errors
/// What the server says.
pub fn free_connections(client: &mut Client) -> Result<usize> {
    let free = rows(
        client,
        "SELECT current_setting('max_connections')::int
              - current_setting('superuser_reserved_connections')::int
              - (SELECT count(*) FROM pg_catalog.pg_stat_activity
                  WHERE backend_type = 'client backend')",
    )?;
    let free = free.first().and_then(|row| row.get(0)?.parse().ok());
    Ok(free.unwrap_or_default())
}
