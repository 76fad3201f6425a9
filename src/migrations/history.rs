//! Reading refinery's history table, and telling early when it cannot be one.

use jiff::Timestamp;
use postgres::{GenericClient, SimpleQueryRow};

use super::log;
use crate::db::session::{self, quote_identifier};
use crate::error::{Error, Result};

const TABLE: &str = "refinery_schema_history";

/// The history as the database has it.
pub(super) struct History {
    /// Qualified and quoted name: refinery pastes it into its statements as it is.
    pub table: String,
    /// Quoted name of its schema.
    pub schema: String,
    /// By version.
    pub rows: Vec<Row>,
    /// Whether our log is beside it.
    pub has_log: bool,
    /// Whether there is a table `public.schema_version`.
    pub has_schema_version: bool,
}

/// An applied migration.
pub(super) struct Row {
    pub version: i32,
    pub name: String,
    pub applied_on: String,
    pub checksum: u64,
}

impl History {
    /// Reads the history; needs SELECT only.
    ///
    /// # Errors
    /// A missing privilege, or a table of that name that refinery did not write: refinery itself
    /// would panic on it.
    pub fn read(client: &mut impl GenericClient, schema: Option<&str>) -> Result<Self> {
        let wanted = schema.map_or_else(
            || TABLE.to_owned(),
            |schema| format!("{}.{TABLE}", quote_identifier(schema)),
        );
        // Both names come quoted. The function asks the server's caches; a join of the catalogue's
        // tables costs a new session more than all other questions together.
        let default = schema.map_or_else(
            || "pg_catalog.current_schema()".to_owned(),
            session::quote_literal,
        );
        let query = format!(
            "SELECT h.schema, h.fallback,
                    pg_catalog.to_regclass(coalesce(h.schema, h.fallback) || '.{}') IS NOT NULL,
                    pg_catalog.to_regclass('public.schema_version') IS NOT NULL
               FROM (SELECT (pg_catalog.pg_identify_object(
                                'pg_catalog.pg_class'::pg_catalog.regclass,
                                pg_catalog.to_regclass({}), 0)).schema,
                            pg_catalog.quote_ident({default})) AS h (schema, fallback)",
            log::TABLE,
            session::quote_literal(&wanted)
        );
        let found = session::rows(client, &query)?;
        let text = |at: usize| found.first().and_then(|row| row.get(at));
        let (existing, has_log, has_schema_version) =
            (text(0), text(2) == Some("t"), text(3) == Some("t"));
        let exists = existing.is_some();
        let schema = existing.or(text(1)).map(str::to_owned).ok_or_else(|| {
            Error::refused("the search path names no schema that exists")
                .detail("the history table needs a schema to be created in")
                .hint("ALTER ROLE … SET search_path = public")
        })?;
        let table = format!("{schema}.{TABLE}");
        let rows = if exists {
            rows(client, &table)?
        } else {
            Vec::new()
        };
        Ok(Self {
            table,
            schema,
            rows,
            has_log,
            has_schema_version,
        })
    }

    /// The newest applied version.
    pub fn newest(&self) -> Option<i32> {
        self.rows.last().map(|row| row.version)
    }

    /// The row of a version.
    pub fn find(&self, version: i32) -> Option<&Row> {
        self.rows.iter().find(|row| row.version == version)
    }
}

fn rows(client: &mut impl GenericClient, table: &str) -> Result<Vec<Row>> {
    let query = format!("SELECT version, name, applied_on, checksum FROM {table} ORDER BY version");
    let rows =
        session::rows(client, &query).map_err(|e| Error::from(e).during("reading the history"))?;
    rows.iter()
        .map(|row| read(row).ok_or_else(|| malformed(table, row)))
        .collect()
}

fn read(row: &SimpleQueryRow) -> Option<Row> {
    let applied_on = row.get(2)?.to_owned();
    applied_on.parse::<Timestamp>().ok()?;
    Some(Row {
        version: row.get(0)?.parse().ok()?,
        name: row.get(1)?.to_owned(),
        applied_on,
        checksum: row.get(3)?.parse().ok()?,
    })
}

fn malformed(table: &str, row: &SimpleQueryRow) -> Error {
    let text = |at: usize| row.get(at).unwrap_or("NULL");
    Error::refused(format!(
        "row {} of {table} is not one that refinery wrote",
        text(0)
    ))
    .detail(format!(
        "applied_on is \"{}\", checksum is \"{}\"",
        text(2),
        text(3)
    ))
    .detail("expected an RFC 3339 time and a whole number")
    .hint(format!("SELECT * FROM {table} ORDER BY version;"))
}
