//! What a check file promises: its header keys, read and validated.
//!
//! Shared with the build script, which refuses to build a binary with a malformed check; at run
//! time the same code reads the files of `--checks DIR`.

#[path = "words.rs"]
mod words;

use std::fmt;

use crate::header::{Header, Key, Problem};
use crate::report::Severity;
pub use words::{Kind, Scope};

/// Header keys of a check file, in their order.
pub const CHECK_KEYS: &[Key] = &[
    Key::required("title"),
    Key::required("kind"),
    Key::optional("table"),
    Key::required("scope"),
    Key::required("severity"),
    Key::required("since"),
    Key::optional("until"),
    Key::required("guarded_by"),
    Key::required("why"),
    Key::required("remedy"),
    Key::optional("expected"),
    Key::optional("actual"),
    Key::optional("difference"),
    Key::optional("suspects"),
    Key::optional("question"),
    Key::optional("doubt"),
    Key::optional("canary"),
    Key::optional("incremental"),
];

/// `incremental` of a check whose violations, or suspects, are rows by themselves.
pub const INCREMENTAL_ROWS: &str = "rows";

/// Begins `incremental` of a check that takes all rows, and is left to full audits.
pub const FULL_AUDITS_ONLY: &str = "full audits only:";

/// A semantic version of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaVersion(pub u32, pub u32, pub u32);

impl SchemaVersion {
    /// Reads `1.2.3`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(|p| p.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// An object of the database that, while it stands, proves an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A constraint or a unique index, by name; valid and enforced.
    Object(String),
    /// `table.column not null`.
    NotNull {
        /// Table, without its schema.
        table: String,
        /// Column.
        column: String,
    },
}

impl Guard {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [name] if !name.contains('.') => Some(Self::Object(name.to_owned())),
            [column, "not", "null"] => {
                let (table, column) = column.split_once('.')?;
                Some(Self::NotNull {
                    table: table.to_owned(),
                    column: column.to_owned(),
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(name) => f.write_str(name),
            Self::NotNull { table, column } => write!(f, "{table}.{column} not null"),
        }
    }
}

/// One check file: what it states, how it is evaluated, what to do when it fires.
#[derive(Clone, Debug)]
pub struct Contract {
    /// File name without its ending; the only id there is.
    pub id: String,
    /// Folder of the file.
    pub area: String,
    /// The invariant, as a statement.
    pub title: String,
    /// How it is written.
    pub kind: Kind,
    /// Tables whose rows the one pass over each judges, without their schema (`public`): those of
    /// a row check, and of another one that has `suspects`; of a sealed one, those that it sums.
    pub tables: Vec<String>,
    /// Which rows one violation needs to see.
    pub scope: Scope,
    /// How bad a violation is.
    pub severity: Severity,
    /// First schema version that it applies to.
    pub since: SchemaVersion,
    /// First schema version that it does not apply to any more.
    pub until: Option<SchemaVersion>,
    /// What proves it in the database itself, all of them together; empty for `nothing`.
    pub guards: Vec<Guard>,
    /// For `guarded_by: nothing: …`, the reason.
    pub unguarded_because: Option<String>,
    /// The failure in real life.
    pub why: String,
    /// What to do about a violation.
    pub remedy: String,
    /// Row checks: an SQL expression (text) for what the row should hold.
    pub expected: Option<String>,
    /// Row checks: an SQL expression for what it holds.
    pub actual: Option<String>,
    /// Row checks: an SQL expression (numeric, credits) for the money at stake.
    pub difference: Option<String>,
    /// Other checks: an SQL expression over a row of the tables, true for a row that the check
    /// could have something to say about. As long as there is none, it holds, and is not evaluated.
    pub suspects: Option<String>,
    /// Other checks: a SELECT that finds something whenever the check does, for less. As long as it
    /// finds nothing the check holds, and is not evaluated. Where an equation is said to spare the
    /// check, it need not find anything unless the equation holds, and is only asked then.
    pub question: Option<String>,
    /// Other checks: a SELECT over little, asked although guards prove the check. Where it finds
    /// something they have been got round, and the check is evaluated.
    pub doubt: Option<String>,
    /// What is planted for the check to find, as JSON. Row checks: values of the columns of one
    /// row, the others are NULL. Other checks: an array of such rows for each table, the others are
    /// empty; a row with a key `"*"` is there so many times.
    pub canary: Option<String>,
    /// How an incremental audit judges it by new rows alone: `rows` (it is about each row by
    /// itself), a SELECT that finds something whenever new rows may violate it, which beside
    /// `suspects` is only asked when one of them is suspect, or `full audits only: …`, with the
    /// reason. Without it, it is evaluated whole.
    pub incremental: Option<String>,
    /// The expression or the query, without the header.
    pub sql: String,
}

impl Contract {
    /// Reads a check file; `area` is its folder and `id` its name without the ending.
    ///
    /// # Errors
    /// All mistakes of the file, each with its line.
    pub fn read(area: &str, id: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let header = Header::parse(text);
        let mut problems = header.problems(CHECK_KEYS);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || !id.chars().all(plain) {
            let message =
                format!("\"{id}\" is not a check id: use a-z, 0-9 and \"-\" in file names");
            problems.push(Problem::new(1, message));
        }
        let mut reader = Reader {
            header: &header,
            problems,
        };
        let contract = reader.contract(area, id);
        match contract {
            Some(contract) if reader.problems.is_empty() => Ok(contract),
            _ => Err(reader.problems),
        }
    }

    /// What the one pass over each of its tables looks for, as far as it is judged there.
    pub fn expression(&self) -> Option<&str> {
        match self.kind {
            Kind::Row => Some(&self.sql),
            Kind::Query | Kind::Native => self.suspects.as_deref(),
            Kind::Sealed => None,
        }
    }

    /// Whether it applies to a database at this schema version.
    pub fn applies_to(&self, version: SchemaVersion) -> bool {
        version >= self.since && self.until.is_none_or(|until| version < until)
    }
}

/// Collects problems while it reads the values.
struct Reader<'a> {
    header: &'a Header<'a>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn contract(&mut self, area: &str, id: &str) -> Option<Contract> {
        let kind = self.word("kind", Kind::from_word, Kind::WORDS);
        let scope = self.word("scope", Scope::from_word, Scope::WORDS);
        let severity = self.word("severity", Severity::from_word, Severity::WORDS);
        let since = self.version("since");
        let until = self.version("until");
        let (guards, unguarded_because) = self.guards();
        let tables = self.list("table");
        if kind == Some(Kind::Row) {
            self.row_keys(&tables);
        } else if !matches!(kind, None | Some(Kind::Sealed)) {
            self.keys_beside_rows(&tables);
        }
        let sql = self
            .header
            .body
            .trim()
            .trim_end_matches(';')
            .trim_end()
            .to_owned();
        if sql.is_empty() {
            self.problems
                .push(Problem::new(1, "there is no SQL below the header"));
        }
        Some(Contract {
            id: id.to_owned(),
            area: area.to_owned(),
            title: self.text("title")?,
            kind: kind?,
            tables,
            scope: scope?,
            severity: severity?,
            since: since?,
            until,
            guards,
            unguarded_because,
            why: self.text("why")?,
            remedy: self.text("remedy")?,
            expected: self.text("expected"),
            actual: self.text("actual"),
            difference: self.text("difference"),
            suspects: self.text("suspects"),
            question: self.text("question"),
            doubt: self.text("doubt"),
            canary: self.text("canary"),
            incremental: self.incremental(kind, severity),
            sql,
        })
    }

    fn text(&self, key: &str) -> Option<String> {
        self.header.get(key).map(str::to_owned)
    }

    fn list(&self, key: &str) -> Vec<String> {
        let value = self.header.get(key).unwrap_or_default();
        value
            .split(',')
            .map(|v| v.trim().to_owned())
            .filter(|v| !v.is_empty())
            .collect()
    }

    fn reject(&mut self, key: &str, message: String) {
        self.problems
            .push(Problem::new(self.header.line(key), message));
    }

    fn word<T>(&mut self, key: &str, read: fn(&str) -> Option<T>, words: &[&str]) -> Option<T> {
        let value = self.header.get(key)?.to_owned();
        let word = read(&value);
        if word.is_none() {
            self.reject(
                key,
                format!("{key} \"{value}\" is not one of {}", words.join(", ")),
            );
        }
        word
    }

    fn version(&mut self, key: &str) -> Option<SchemaVersion> {
        let value = self.header.get(key)?.to_owned();
        let version = SchemaVersion::parse(&value);
        if version.is_none() {
            self.reject(
                key,
                format!("{key} \"{value}\" is not a schema version such as 1.0.0"),
            );
        }
        version
    }

    fn guards(&mut self) -> (Vec<Guard>, Option<String>) {
        let Some(value) = self.header.get("guarded_by") else {
            return (Vec::new(), None);
        };
        if let Some(reason) = value.strip_prefix("nothing") {
            let reason = reason.trim_start_matches([':', ',']).trim().to_owned();
            if reason.is_empty() {
                let message = "guarded_by \"nothing\" needs its reason: \"nothing: because …\"";
                self.reject("guarded_by", message.to_owned());
            }
            return (Vec::new(), Some(reason));
        }
        let mut guards = Vec::new();
        for item in self.list("guarded_by") {
            match Guard::parse(&item) {
                Some(guard) => guards.push(guard),
                None => self.reject(
                    "guarded_by",
                    format!("guard \"{item}\" is neither a name nor \"table.column not null\""),
                ),
            }
        }
        (guards, None)
    }

    fn incremental(&mut self, kind: Option<Kind>, severity: Option<Severity>) -> Option<String> {
        let value = self.text("incremental")?;
        let is_right = match value.strip_prefix(FULL_AUDITS_ONLY) {
            Some(reason) => !reason.trim().is_empty() && severity == Some(Severity::Info),
            None if value == INCREMENTAL_ROWS => {
                kind == Some(Kind::Row) || self.header.get("suspects").is_some()
            }
            None => value.starts_with("SELECT "),
        };
        if !is_right {
            let message = "incremental is \"rows\", a SELECT, or (of severity info) \
                           \"full audits only: because …\"";
            self.reject("incremental", message.to_owned());
        }
        Some(value)
    }

    fn row_keys(&mut self, tables: &[String]) {
        if tables.is_empty() {
            self.problems.push(Problem::new(
                1,
                "a row check needs the header key \"table\"",
            ));
        }
        for key in ["expected", "actual"] {
            if self.header.get(key).is_none() {
                let message = format!("a row check needs the header key \"{key}\"");
                self.problems.push(Problem::new(1, message));
            }
        }
        for key in ["suspects", "question", "doubt"] {
            if self.header.get(key).is_some() {
                let message = format!("a row check has no \"{key}\": it judges each row");
                self.reject(key, message);
            }
        }
    }

    fn keys_beside_rows(&mut self, tables: &[String]) {
        let suspects = self.header.get("suspects").is_some();
        for key in ["expected", "actual", "difference"] {
            if self.header.get(key).is_some() {
                let message = format!("header key \"{key}\" belongs to row checks only");
                self.reject(key, message);
            }
        }
        for key in ["question", "doubt"] {
            if (self.header.get(key)).is_some_and(|sql| !sql.starts_with("SELECT ")) {
                self.reject(key, format!("{key} is a SELECT"));
            }
        }
        if !suspects && self.header.get("table").is_some() {
            let message = "header key \"table\" belongs to row checks, or beside \"suspects\"";
            self.reject("table", message.to_owned());
        }
        if suspects && tables.is_empty() {
            let message = "header key \"suspects\" needs the header key \"table\"";
            self.reject("suspects", message.to_owned());
        }
    }
}
