//! What `plan` and `rehearse` found out about pending migrations.

use super::{Commands, Problem, StatusState};

/// What a statement means for a database that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Nobody will notice.
    None,
    /// Somebody may notice, briefly.
    Notice,
    /// Readers or writers wait for long, or data goes away.
    Danger,
}

impl Risk {
    /// As reports say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Notice => "notice",
            Self::Danger => "danger",
        }
    }
}

/// Of `plan`.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the database stands.
    pub state: StatusState,
    /// Newest row of `schema_version`, where that table exists.
    pub schema_version: Option<String>,
    /// Why `migrate` would refuse.
    pub problems: Vec<Problem>,
    /// What would stop the session that asked, or its role, or could not be told; no reason to
    /// refuse.
    pub remarks: Vec<Problem>,
    /// Files without a transaction that were begun and are not recorded.
    pub unfinished: Vec<Problem>,
    /// What would be applied, in order.
    pub files: Vec<PlannedFile>,
    /// The version that it was asked to end with.
    pub to: Option<i32>,
    /// The history as it is.
    pub history: PlannedHistory,
    /// What the plan was made from.
    pub fingerprint: Fingerprint,
    /// What comes next.
    pub commands: Commands,
}

impl Plan {
    /// The highest of all statements.
    pub fn risk(&self) -> Risk {
        let statements = self.files.iter().flat_map(|file| &file.statements);
        statements.map(|s| s.risk).max().unwrap_or(Risk::None)
    }
}

/// The history that a script has to find and to continue.
#[derive(Clone, Debug)]
pub struct PlannedHistory {
    /// Qualified and quoted name of its table.
    pub table: String,
    /// The statement that makes the table where there is none.
    pub creation: String,
    /// Version and checksum of each row.
    pub rows: Vec<(i32, u64)>,
    /// Key of the advisory lock of deployers.
    pub lock_key: i64,
}

/// A pending file.
#[derive(Clone, Debug)]
pub struct PlannedFile {
    /// Version number.
    pub version: i32,
    /// Name without version and ending.
    pub name: String,
    /// As messages name it.
    pub path: String,
    /// As refinery computes it.
    pub checksum: u64,
    /// `one`, `none` or `batched`.
    pub transaction: &'static str,
    /// Its statements, in order.
    pub statements: Vec<PlannedStatement>,
    /// The statement that writes its row of the history.
    pub record: String,
}

/// A statement of a pending file.
#[derive(Clone, Debug)]
pub struct PlannedStatement {
    /// Its text.
    pub sql: String,
    /// 1-based line in its file.
    pub line: usize,
    /// What it takes on relations that others use.
    pub locks: Vec<PlannedLock>,
    /// All in all.
    pub risk: Risk,
    /// What speaks for that risk, and what could not be told.
    pub reasons: Vec<String>,
    /// What could not be told from its text.
    pub unread: Vec<String>,
    /// In batches: whether it returns the number of rows that it changed, and the command tag says
    /// nothing.
    pub counts_by_value: bool,
}

/// A lock on a relation.
#[derive(Clone, Debug)]
pub struct PlannedLock {
    /// Name of the relation, with its schema where that is not `public`.
    pub relation: String,
    /// As the manual writes it, such as `ACCESS EXCLUSIVE`.
    pub mode: &'static str,
    /// Whether it is taken only when the rows ask for it.
    pub depends: bool,
    /// Whether readers wait.
    pub blocks_reads: bool,
    /// Whether writers wait.
    pub blocks_writes: bool,
    /// Estimated.
    pub rows: u64,
    /// Size of the table itself, without indexes.
    pub bytes: u64,
    /// Whether the table gets new storage.
    pub rewrites: bool,
    /// Whether all of it is read; none when the planner decides.
    pub scans: Option<bool>,
}

/// What a plan was made from, as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Over the definitions of all objects.
    pub catalogue: String,
    /// Over version, name and checksum of the history.
    pub history: String,
    /// Over version, name and checksum of the files.
    pub files: String,
    /// Each object, and a short hash of its definition.
    pub objects: Vec<(String, String)>,
}

/// Of `rehearse`.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// Where it took place.
    pub server: String,
    /// What a reader should know about the scratch database.
    pub remarks: Vec<String>,
    /// Sampled rows per table that were asked for.
    pub rows: u64,
    /// What was applied, in order.
    pub files: Vec<RehearsedFile>,
    /// Why it stopped early, where a statement failed.
    pub failure: Option<FileFailure>,
}

impl Rehearsal {
    /// Whether everything ran, and as the plan says.
    pub fn agrees(&self) -> bool {
        let mut statements = self.files.iter().flat_map(|file| &file.statements);
        self.failure.is_none() && statements.all(|s| s.differences.is_empty())
    }
}

/// A statement that failed.
#[derive(Clone, Debug)]
pub struct FileFailure {
    /// As messages name the file.
    pub path: String,
    /// 1-based line of the statement.
    pub line: usize,
    /// In the server's words, or ours.
    pub message: String,
    /// Five characters.
    pub sqlstate: Option<String>,
}

/// A file that was rehearsed.
#[derive(Clone, Debug)]
pub struct RehearsedFile {
    /// As messages name it.
    pub path: String,
    /// Version number.
    pub version: i32,
    /// Name without version and ending.
    pub name: String,
    /// `one`, `none` or `batched`.
    pub transaction: &'static str,
    /// Sum of its statements; the observation between them is left out.
    pub elapsed_ms: f64,
    /// Its statements, in order.
    pub statements: Vec<RehearsedStatement>,
}

/// A statement that was watched.
#[derive(Clone, Debug)]
pub struct RehearsedStatement {
    /// Its text.
    pub sql: String,
    /// 1-based line in its file.
    pub line: usize,
    /// Wall time on the scratch server.
    pub elapsed_ms: f64,
    /// How often it was run; more than once in batches only.
    pub runs: u64,
    /// What it held.
    pub locks: Vec<ObservedLock>,
    /// Where the plan says something else.
    pub differences: Vec<String>,
    /// What the plan could not read.
    pub unread: Vec<String>,
}

/// A lock that was held.
#[derive(Clone, Debug)]
pub struct ObservedLock {
    /// Name of the relation, with its schema where that is not `public`.
    pub relation: String,
    /// As the manual writes it.
    pub mode: &'static str,
    /// Whether readers wait.
    pub blocks_reads: bool,
    /// Whether writers wait.
    pub blocks_writes: bool,
    /// Whether the relation got new storage.
    pub rewritten: bool,
    /// Whether all of it was read.
    pub scanned: bool,
}
