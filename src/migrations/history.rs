//! Reading refinery's history table, and telling early when it cannot be one.

use jiff::Timestamp;
use postgres::GenericClient;

use crate::db::session::quote_identifier;
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
        let found = client.query_one(
            "SELECT (SELECT n.nspname FROM pg_catalog.pg_class c
                       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                      WHERE c.oid = pg_catalog.to_regclass($1))::text,
                    coalesce($2::text, pg_catalog.current_schema()::text)",
            &[&wanted, &schema],
        )?;
        let (existing, default): (Option<String>, Option<String>) = (found.get(0), found.get(1));
        let exists = existing.is_some();
        let schema = existing.or(default).ok_or_else(|| {
            Error::refused("the search path names no schema that exists")
                .detail("the history table needs a schema to be created in")
                .hint("ALTER ROLE … SET search_path = public")
        })?;
        let schema = quote_identifier(&schema);
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
    let query = format!(
        "SELECT version::bigint, name::text, applied_on::text, checksum::text
           FROM {table} ORDER BY version"
    );
    let rows = client
        .query(&query, &[])
        .map_err(|e| Error::from(e).during("reading the history"))?;
    rows.iter()
        .map(|row| read(row).ok_or_else(|| malformed(table, row)))
        .collect()
}

fn read(row: &postgres::Row) -> Option<Row> {
    let applied_on: String = row.get::<_, Option<_>>(2)?;
    applied_on.parse::<Timestamp>().ok()?;
    Some(Row {
        version: i32::try_from(row.get::<_, i64>(0)).ok()?,
        name: row.get::<_, Option<_>>(1)?,
        applied_on,
        checksum: row.get::<_, Option<String>>(3)?.parse().ok()?,
    })
}

fn malformed(table: &str, row: &postgres::Row) -> Error {
    let text = |at: usize| {
        row.get::<_, Option<String>>(at)
            .unwrap_or_else(|| "NULL".to_owned())
    };
    Error::refused(format!(
        "row {} of {table} is not one that refinery wrote",
        row.get::<_, i64>(0)
    ))
    .detail(format!(
        "applied_on is \"{}\", checksum is \"{}\"",
        text(2),
        text(3)
    ))
    .detail("expected an RFC 3339 time and a whole number")
    .hint(format!("SELECT * FROM {table} ORDER BY version;"))
}
