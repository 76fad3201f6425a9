//! Questions about a session that more than one part asks.

use std::time::Duration;

use postgres::{
    Client, GenericClient, IsolationLevel, SimpleQueryMessage, SimpleQueryRow, Transaction,
};

use crate::error::Result;

/// How long the server leaves a client alone that is silent in the middle of a transaction. We are
/// silent for milliseconds only, so this one was stopped or is frozen, and what it holds must not
/// block others for ever: its locks the gateway, its snapshot every concurrent index build.
pub const SILENCE: Duration = Duration::from_secs(10);

/// One moment for several questions, and no way to write, on a standby as well.
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
        "SET LOCAL idle_in_transaction_session_timeout = {}",
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

/// Whether the single answer of a query is true.
///
/// # Errors
/// What the server says.
pub fn is_true(
    client: &mut impl GenericClient,
    query: &str,
) -> std::result::Result<bool, postgres::Error> {
    let rows = rows(client, query)?;
    Ok(rows.first().and_then(|row| row.get(0)) == Some("t"))
}

/// The newest row of `public.schema_version`, where that table exists and has one. A table of
/// that name that somebody else made may have other columns: then it says nothing.
///
/// # Errors
/// What the server says, such as a missing privilege.
pub fn schema_version(client: &mut impl GenericClient) -> Result<Option<String>> {
    let is_ours = is_true(
        client,
        "SELECT count(*) = 2 FROM pg_catalog.pg_attribute
          WHERE attrelid = pg_catalog.to_regclass('public.schema_version')
            AND attname IN ('version', 'applied_at') AND NOT attisdropped",
    )?;
    if !is_ours {
        return Ok(None);
    }
    // Rows of one deployment can share a time stamp, so the version itself breaks the tie.
    let newest = rows(
        client,
        "SELECT version FROM public.schema_version
          ORDER BY applied_at DESC,
                   CASE WHEN version::text ~ '^[0-9]{1,9}([.][0-9]{1,9})*$'
                        THEN string_to_array(version::text, '.')::int[] END DESC NULLS LAST
          LIMIT 1",
    )?;
    Ok(newest.first().and_then(|row| row.get(0)).map(str::to_owned))
}
