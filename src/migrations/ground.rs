//! What a replay has to find before its first file, because `migrate` found it: the search path of
//! the session, and the schemas and roles that somebody else has made.

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
    /// Quoted names of schemas that the files use and do not make.
    pub schemas: Vec<String>,
    /// The same of roles.
    pub roles: Vec<String>,
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
        let files = Files::of(set);
        let made = made_by(set, &files);
        let has_history = !history.rows.is_empty();
        let given = on_path.filter(|(quoted, plain)| {
            (has_history && *quoted == history.schema) || !made.contains(*plain)
        });
        let mut schemas: Vec<String> = given.map(|(quoted, _)| quoted.to_owned()).collect();
        // What is not on the path changes nothing that is not named.
        schemas.extend(files.used(client, OTHER_SCHEMAS, &made)?);
        let roles = files.used(client, ROLES, &files.made(&["role", "user", "group"]))?;
        Ok(Self {
            search_path: Some(session::search_path(client)?),
            schemas,
            roles,
        })
    }
}

/// The schemas on the path, quoted and as they are, without those of the system.
const SCHEMAS: &str = "SELECT pg_catalog.quote_ident(name), name
    FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path (name, at)
   WHERE name !~ '^pg_' AND name <> 'information_schema'
   ORDER BY at";

/// The others, in the same way.
const OTHER_SCHEMAS: &str = "SELECT pg_catalog.quote_ident(nspname), nspname
    FROM pg_catalog.pg_namespace
   WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
     AND nspname <> ALL (pg_catalog.current_schemas(false))
   ORDER BY nspname";

const ROLES: &str = "SELECT pg_catalog.quote_ident(rolname), rolname FROM pg_catalog.pg_roles
   WHERE rolname !~ '^pg_' ORDER BY rolname";

/// The schemas that the files make.
fn made_by(set: &Set, files: &Files) -> HashSet<String> {
    let facts = set
        .files
        .iter()
        .flat_map(|file| Script::parse(file.sql()).facts());
    let made = facts.filter_map(|fact| match fact {
        Fact::CreateSchema(name) => Some(name),
        _ => None,
    });
    made.chain(files.made(&["schema"])).collect()
}

/// The texts of all files in lower case. What a DO block does is text to the parser, too.
struct Files(String);

impl Files {
    fn of(set: &Set) -> Self {
        let texts = set.files.iter().map(|file| file.sql().to_lowercase());
        Self(texts.collect::<Vec<_>>().join("\n"))
    }

    /// What is said to be created, of these kinds.
    fn made(&self, kinds: &[&str]) -> HashSet<String> {
        let mut words = self.0.split(ends_name).filter(|word| !word.is_empty());
        let mut made = HashSet::new();
        while let Some(word) = words.next() {
            if word == "create" && words.next().is_some_and(|kind| kinds.contains(&kind)) {
                let passed = ["if", "not", "exists", "authorization"];
                let name = words.by_ref().find(|word| !passed.contains(word));
                made.extend(name.map(str::to_owned));
            }
        }
        made
    }

    /// Those names of a query (quoted, and as they are) that stand somewhere, and are not made.
    fn used(
        &self,
        client: &mut impl GenericClient,
        query: &str,
        made: &HashSet<String>,
    ) -> Result<Vec<String>> {
        let rows = session::rows(client, query)?;
        let names = rows
            .iter()
            .filter_map(|row| Some((row.get(0)?, row.get(1)?)));
        let used = names.filter(|(_, plain)| {
            !made.contains(*plain)
                && !made.contains(&plain.to_lowercase())
                && self.names(&plain.to_lowercase())
        });
        Ok(used.map(|(quoted, _)| quoted.to_owned()).collect())
    }

    fn names(&self, name: &str) -> bool {
        self.0.match_indices(name).any(|(at, _)| {
            let after = &self.0[at + name.len()..];
            let is_free = |next: Option<char>| next.is_none_or(ends_name);
            is_free(self.0[..at].chars().next_back()) && is_free(after.chars().next())
        })
    }
}

fn ends_name(c: char) -> bool {
    !c.is_alphanumeric() && c != '_' && c != '$'
}
