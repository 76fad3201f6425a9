//! What a replay has to find before its first file, because `migrate` found it: the search path of
//! the session, and the schemas on it that somebody else has made.

use std::collections::HashSet;

use postgres::GenericClient;

use super::history::History;
use super::set::Set;
use crate::db::session;
use crate::error::Result;
use crate::syntax::Script;
use crate::syntax::facts::Fact;

/// Names without a schema mean what they mean on it.
#[derive(Default)]
pub(super) struct Ground {
    /// As a setting of the server; none where the files qualify every name.
    pub search_path: Option<String>,
    /// Quoted names of schemas that the files do not make.
    pub schemas: Vec<String>,
}

impl Ground {
    /// Looks at the session of a live database.
    ///
    /// # Errors
    /// What the server says.
    pub fn read(client: &mut impl GenericClient, set: &Set) -> Result<Self> {
        if set.is_embedded() {
            return Ok(Self::default());
        }
        let history = History::read(client, set.history_schema)?;
        let on_path = session::rows(client, SCHEMAS)?;
        let on_path = on_path
            .iter()
            .filter_map(|row| Some((row.get(0)?, row.get(1)?)))
            // The history is made before the first file, in the first schema that there is. What
            // stands before it on the path came later.
            .skip_while(|(quoted, _)| *quoted != history.schema);
        let made = made_by(set);
        let has_history = !history.rows.is_empty();
        let given = on_path.filter(|(quoted, plain)| {
            (has_history && *quoted == history.schema) || !made.contains(*plain)
        });
        let schemas = given.map(|(quoted, _)| quoted.to_owned()).collect();
        Ok(Self {
            search_path: Some(session::search_path(client)?),
            schemas,
        })
    }
}

/// The schemas on the path, quoted and as they are, without those of the system.
const SCHEMAS: &str = "SELECT pg_catalog.quote_ident(name), name
    FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path (name, at)
   WHERE name !~ '^pg_' AND name <> 'information_schema'
   ORDER BY at";

/// The schemas that the files make.
fn made_by(set: &Set) -> HashSet<String> {
    let facts = set
        .files
        .iter()
        .flat_map(|file| Script::parse(file.sql()).facts());
    let made = facts.filter_map(|fact| match fact {
        Fact::CreateSchema(name) => Some(name),
        _ => None,
    });
    made.collect()
}
