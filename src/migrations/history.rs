//! Reading refinery's history table, and telling early when it cannot be one.

use jiff::Timestamp;
use postgres::{GenericClient, SimpleQueryRow};

use crate::catalogue::{HISTORY as TABLE, LOG};
use crate::db::session::{self, SCHEMA_VERSION, quote_identifier};
use crate::db::trust;
use crate::error::{Error, Result};

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
        let place = Place::find(client, schema)?;
        Self::at(&place, client)
    }

    /// Reads the history in its place.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn at(place: &Place, client: &mut impl GenericClient) -> Result<Self> {
        let rows = session::rows(client, &place.rows_query())
            .map_err(|e| Error::from(e).during("reading the history"))?;
        Self::of(place, &rows)
    }

    /// Makes sense of what [`Place::rows_query`] returned.
    ///
    /// # Errors
    /// A row that refinery did not write.
    pub fn of(place: &Place, rows: &[SimpleQueryRow]) -> Result<Self> {
        let mut rows = rows
            .iter()
            .map(|row| read(row).ok_or_else(|| malformed(&place.table, row)))
            .collect::<Result<Vec<Row>>>()?;
        rows.sort_by_key(|row| row.version);
        Ok(Self {
            rows,
            table: place.table.clone(),
            schema: place.schema.clone(),
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

/// Where the history is or will be, and what is beside it.
pub(super) struct Place {
    /// Qualified and quoted name.
    pub table: String,
    /// Quoted name of its schema.
    pub schema: String,
    /// Whether there is a history.
    exists: bool,
    /// Whether our log is beside it.
    pub has_log: bool,
    /// Whether there is a table `public.schema_version` that can be read without harm.
    pub has_schema_version: bool,
}

impl Place {
    /// # Errors
    /// Refused when there is neither a history nor a schema to create it in, and when something
    /// else than tables that can be trusted stands in the place of history or log.
    pub fn find(client: &mut impl GenericClient, schema: Option<&str>) -> Result<Self> {
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
            "SELECT h.schema, h.fallback, log IS NOT NULL, version IS NOT NULL,
                    num_nonnulls(h.history, log, version) = (
                        SELECT count(*) FROM pg_catalog.pg_class
                         WHERE oid IN (h.history, log, version)
                           AND {} AND NOT relhastriggers AND NOT relhasrules)
               FROM (SELECT (pg_catalog.pg_identify_object(
                                'pg_catalog.pg_class'::pg_catalog.regclass, name, 0)).schema,
                            pg_catalog.quote_ident({default}), name
                       FROM pg_catalog.to_regclass({}) AS name) AS h (schema, fallback, history),
                    pg_catalog.to_regclass(coalesce(h.schema, h.fallback) || '.{LOG}') AS log,
                    pg_catalog.to_regclass('{SCHEMA_VERSION}') AS version",
            trust::IS_OWN_TABLE,
            session::quote_literal(&wanted),
        );
        let found = session::rows(client, &query)?;
        let text = |at: usize| found.first().and_then(|row| row.get(at));
        let schema = text(0).or(text(1)).map(str::to_owned).ok_or_else(|| {
            Error::refused("the search path names no schema that exists")
                .detail("the history table needs a schema to be created in")
                .hint("ALTER ROLE … SET search_path = public")
        })?;
        let mut place = Self {
            table: format!("{schema}.{TABLE}"),
            schema,
            exists: text(0).is_some(),
            has_log: text(2) == Some("t"),
            has_schema_version: text(3) == Some("t"),
        };
        if text(4) != Some("t") {
            place.look_closer(client)?;
        }
        Ok(place)
    }

    fn look_closer(&mut self, client: &mut impl GenericClient) -> Result<()> {
        let log = format!("{}.{LOG}", self.schema);
        for found in trust::look(client, &[&self.table, &log, SCHEMA_VERSION])? {
            // Other teams may have something else of the third name.
            match found.at {
                2 => self.has_schema_version = found.is_harmless(),
                _ => found.accept()?,
            }
        }
        Ok(())
    }

    /// Reads all rows, in any order: to plan one, a new session first looks up how to compare.
    /// None where there is no history.
    pub fn rows_query(&self) -> String {
        if self.exists {
            return format!(
                "SELECT version, name, applied_on, checksum FROM {}",
                self.table
            );
        }
        "SELECT WHERE false".to_owned()
    }
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
