//! An object of a database, and a catalogue of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What an object is. The order is one in which objects can be made: later kinds need earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A namespace.
    Schema,
    /// Presence only, whatever its version.
    Extension,
    /// Enum, domain, composite type or range.
    Type,
    /// Of its own or behind a column.
    Sequence,
    /// Plain, partitioned or foreign.
    Table,
    /// Of a table.
    Column,
    /// Function, procedure or aggregate.
    Function,
    /// Of a table, its index included.
    Constraint,
    /// Other than that of a constraint.
    Index,
    /// Plain or materialized.
    View,
    /// Of a table or view.
    Rule,
    /// Of a table or view.
    Trigger,
    /// Of row security.
    Policy,
}

impl Kind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Extension => "extension",
            Self::Type => "type",
            Self::Sequence => "sequence",
            Self::Table => "table",
            Self::Column => "column",
            Self::Function => "function",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::View => "view",
            Self::Rule => "rule",
            Self::Trigger => "trigger",
            Self::Policy => "policy",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
    }
}

/// Kind, table (empty for objects of their own) and name: what tells an object from all others.
pub type Key = (Kind, String, String);

/// An object. Names are quoted where they need it, and qualified where the object is in a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// The table that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Its name; with the types of the arguments for functions.
    pub name: String,
    /// Where a column stands in its table; told to make a table, not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i32>,
    /// Who owns it; parts have the owner of the whole. Never written down: owners belong to a
    /// deployment.
    #[serde(skip)]
    pub owner: Option<String>,
    /// What makes it what it is, as words; what has its usual value is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "texts")]
    pub properties: BTreeMap<String, String>,
    /// Privileges by grantee, beyond those that an owner has anyway.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, BTreeSet<String>>,
    /// COMMENT ON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl Object {
    /// What tells it from all others.
    pub fn key(&self) -> Key {
        let table = self.table.clone().unwrap_or_default();
        (self.kind, table, self.name.clone())
    }

    /// Its full name for people.
    pub fn label(&self) -> String {
        match (&self.table, self.kind) {
            // The name of an index is that of a relation.
            (None, _) | (_, Kind::Index) => self.name.clone(),
            (Some(table), Kind::Column) => format!("{table}.{}", self.name),
            (Some(table), _) => format!("{} on {table}", self.name),
        }
    }

    /// A property.
    pub fn get(&self, property: &str) -> Option<&str> {
        self.properties.get(property).map(String::as_str)
    }

    /// A property that every object of the kind has.
    pub(super) fn text(&self, property: &str) -> &str {
        self.get(property).unwrap_or_default()
    }
}

/// Objects by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    objects: BTreeMap<Key, Object>,
    /// Quoted names of schemas that objects are in, and that are not described themselves.
    given: BTreeSet<String>,
}

impl Catalogue {
    /// The object of a key.
    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key)
    }

    /// Adds an object; one of the same key makes room.
    pub fn insert(&mut self, object: Object) {
        self.objects.insert(object.key(), object);
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    /// All objects, in the order in which they can be made.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// The objects that are parts of a table or view.
    pub fn parts<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Object> {
        self.iter()
            .filter(move |object| object.table.as_deref() == Some(table))
    }

    /// Takes a schema (its quoted name) as given: whose it is and who may use it is not told. What
    /// is in it still is, and where that is nothing, the schema is nobody's business.
    pub fn give(&mut self, schema: &str) {
        self.objects
            .retain(|_, object| object.kind != Kind::Schema || object.name != schema);
        let inside = format!("{schema}.");
        if self.iter().any(|object| object.name.starts_with(&inside)) {
            self.given.insert(schema.to_owned());
        }
    }

    /// The names of its schemas.
    pub fn schemas(&self) -> Vec<String> {
        let schemas = self.iter().filter(|object| object.kind == Kind::Schema);
        let names = schemas.map(|schema| &schema.name).chain(&self.given);
        names.map(|name| unquoted(name)).collect()
    }
}

fn unquoted(name: &str) -> String {
    name.strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .map_or_else(|| name.to_owned(), |name| name.replace("\"\"", "\""))
}

/// Texts of several lines are written down as lists of lines, for people who read a diff.
mod texts {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Text {
        Line(String),
        Lines(Vec<String>),
    }

    pub(super) fn serialize<S: Serializer>(
        texts: &BTreeMap<String, String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = |text: &String| match text.contains('\n') {
            true => Text::Lines(text.split('\n').map(str::to_owned).collect()),
            false => Text::Line(text.clone()),
        };
        let texts: BTreeMap<&String, Text> = texts.iter().map(|(k, v)| (k, text(v))).collect();
        texts.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, String>, D::Error> {
        let texts = BTreeMap::<String, Text>::deserialize(deserializer)?;
        let text = |text| match text {
            Text::Line(line) => line,
            Text::Lines(lines) => lines.join("\n"),
        };
        Ok(texts.into_iter().map(|(k, v)| (k, text(v))).collect())
    }
}
