//! Questions about a session that more than one part asks.

use postgres::GenericClient;

use crate::error::Result;

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

/// The newest row of `public.schema_version`, where that table exists and has one. A table of
/// that name that somebody else made may have other columns: then it says nothing.
///
/// # Errors
/// What the server says, such as a missing privilege.
pub fn schema_version(client: &mut impl GenericClient) -> Result<Option<String>> {
    let table = client.query_one(
        "SELECT count(*) = 2 FROM pg_catalog.pg_attribute
          WHERE attrelid = to_regclass('public.schema_version')
            AND attname IN ('version', 'applied_at') AND NOT attisdropped",
        &[],
    )?;
    if !table.get::<_, bool>(0) {
        return Ok(None);
    }
    // Rows of one deployment can share a time stamp, so the version itself breaks the tie.
    let newest = client.query_opt(
        "SELECT version::text FROM public.schema_version
         ORDER BY applied_at DESC,
                  CASE WHEN version::text ~ '^[0-9]{1,9}([.][0-9]{1,9})*$'
                       THEN string_to_array(version::text, '.')::int[] END DESC NULLS LAST
         LIMIT 1",
        &[],
    )?;
    Ok(newest.and_then(|row| row.get(0)))
}
