//! What an audit keeps outside the database for the next one, so that the next one reads only what
//! is new, and so that nobody can change what was audited without being found.
//!
//! Rows up to an id are *sealed* once no transaction can bring another one (`horizon`). Of sealed
//! rows the state has the sums of the equations, and a keyed sum over their content for each block
//! of ids (`content`). It belongs to one database (`identity`) and lives in one file (`file`). An
//! incremental audit reads the rows above the sealed ids, and judges by them alone what can be
//! judged so (`since`); a full audit reads everything, the content of the sealed rows included.
//! `course` decides which of the two an audit is (`reason` says why not the cheaper one), and what
//! it leaves behind, sealed as far as `seal` finds.

mod content;
mod course;
mod cycles;
mod file;
mod horizon;
mod identity;
mod reason;
mod seal;
mod since;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::equations::{ENTRIES, LOG};
pub(super) use content::{Contents, Pass, statement};
pub(super) use course::{Course, skip_sealed_history};
use cycles::Groups;
pub(super) use cycles::{CHECK as CYCLES_CHECK, Cycles, Used};
pub use file::StateFile;
use horizon::Candidate;
pub(super) use horizon::Horizon;
use identity::Identity;
pub(super) use reason::Request;
pub(super) use since::Since;

/// The tables whose rows are sealed: those that grow.
pub(super) const TABLES: [&str; 2] = [ENTRIES, LOG];

/// What is read for a state, or why it was not.
pub(super) type Reading<T> = std::result::Result<T, String>;

/// What an audit has read for the next one.
pub(super) struct Readings {
    /// What the chains are off by, beside what is known of sealed ones; none where there is no
    /// saying.
    pub chains_off: Option<i128>,
    /// The passes over sealed rows.
    pub passes: Vec<(Pass, Reading<Contents>)>,
    /// What was used in billing cycles, where that was asked for.
    pub cycles: Option<Reading<Used>>,
}

/// The check that compares the content of sealed rows.
pub(super) const SEALED_HISTORY: &str = "sealed-history";

/// Rows of a block are those whose ids are the same but for so many bits: a difference in content
/// names a block, and the file has some 60 bytes for each: a megabyte for 250 million rows.
const BLOCK_BITS: u32 = 14;

/// What the file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    /// Which database it is about.
    database: Identity,
    /// Of the schema, as it was audited.
    schema_version: String,
    /// The secret that the sums are made with: who knows it can make other rows with the same sums.
    key: i64,
    /// What the hash functions of the server make of known values with that key.
    probe: i64,
    /// Of the snapshot of the audit that wrote it.
    taken_at: Timestamp,
    /// Of the snapshot of the last full audit.
    full_at: Timestamp,
    /// By table.
    tables: BTreeMap<String, Sealed>,
    /// Sums of the equations over sealed rows.
    sums: BTreeMap<String, Number>,
    /// What sealed entries used in the billing cycles of that snapshot.
    #[serde(default)]
    cycles: Groups,
    /// Checks of these tables that found nothing, with a digest of what they say.
    silent: BTreeMap<String, String>,
}

/// What is sealed of a table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sealed {
    /// The highest id.
    id: i64,
    /// The content of the newest row up to there.
    newest: Number,
    /// By number.
    blocks: BTreeMap<i64, Block>,
    /// An id that transactions, which were open for long, kept from being sealed.
    candidate: Option<Candidate>,
}

/// Sealed rows of one block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    rows: u64,
    /// The lowest id.
    first: i64,
    /// The sum over their content.
    content: Number,
}

/// A sum of 64-bit numbers; as text, because JSON numbers end earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Number(i128);

impl TryFrom<String> for Number {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.0.to_string()
    }
}

impl Block {
    fn add(&mut self, other: &Self) {
        self.first = match self.rows {
            0 => other.first,
            _ => self.first.min(other.first),
        };
        self.rows += other.rows;
        self.content = Number(self.content.0.wrapping_add(other.content.0));
    }
}
