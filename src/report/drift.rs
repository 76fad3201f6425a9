//! Of `drift` and `adopt`: in what a live schema differs from the one that the migrations make.

use super::Commands;

/// In which way an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Expected, and not there.
    Missing,
    /// There, and not expected.
    Extra,
    /// There, but not as expected.
    Different,
}

/// A trait in which an object differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange {
    /// Such as `type`, `body` or `grants to PUBLIC`.
    pub property: String,
    /// What it should be; nothing where it should have none.
    pub expected: Option<String>,
    /// What it is.
    pub actual: Option<String>,
}

/// An object that differs.
#[derive(Clone, Debug)]
pub struct SchemaDifference {
    /// In which way.
    pub nature: Nature,
    /// `table`, `column`, `function` …
    pub kind: &'static str,
    /// Its full name.
    pub object: String,
    /// Whether it counts: as drift, or as a reason not to adopt.
    pub counts: bool,
    /// Why it counts or not, where that is not plain.
    pub because: Option<String>,
    /// Why the two are not the same; empty for whole objects.
    pub changes: Vec<SchemaChange>,
    /// What takes the difference away: statements, each to be sent by itself, in this order.
    pub sql: Vec<String>,
}

/// Of `drift`.
#[derive(Clone, Debug)]
pub struct Drift {
    /// Name of the database.
    pub database: String,
    /// The newest version in the history, whose catalogue is the expected one.
    pub version: i32,
    /// Newest row of `schema_version`, where that table exists.
    pub schema_version: Option<String>,
    /// Who owns the history, and so should own everything.
    pub owner: String,
    /// Every difference, in the order in which the SQL can be run.
    pub differences: Vec<SchemaDifference>,
}

impl Drift {
    /// How many differences count.
    pub fn count(&self) -> usize {
        self.differences.iter().filter(|d| d.counts).count()
    }
}

/// How an adoption ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptionState {
    /// The history was written.
    Adopted,
    /// There was a history already, and it fits.
    Managed,
    /// Something speaks against it; nothing was changed.
    Refused,
}

/// A version that `adopt` compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Version number.
    pub version: i32,
    /// Differences that forbid to adopt at this version.
    pub blocking: usize,
    /// Differences that do not.
    pub harmless: usize,
}

impl Candidate {
    /// Counts the differences from a version.
    pub fn new(version: i32, differences: &[SchemaDifference]) -> Self {
        let blocking = differences.iter().filter(|d| d.counts).count();
        Self {
            version,
            blocking,
            harmless: differences.len() - blocking,
        }
    }
}

/// Of `adopt`.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// Name of the database.
    pub database: String,
    /// One word.
    pub state: AdoptionState,
    /// The version that was adopted, that is recorded already, or that comes closest.
    pub version: i32,
    /// Newest row of `schema_version` afterwards, where that table exists.
    pub schema_version: Option<String>,
    /// The versions that were compared, newest first.
    pub candidates: Vec<Candidate>,
    /// Every difference from the version; those that count are blocking.
    pub differences: Vec<SchemaDifference>,
    /// Migrations that are pending at that version.
    pub pending: usize,
    /// What comes next.
    pub commands: Commands,
}
