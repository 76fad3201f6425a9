//! `drift` and `adopt` as JSON.

use serde::Serialize;

use crate::report::{self, AdoptionState, Nature};

#[derive(Serialize)]
pub(super) struct Drift<'a> {
    state: &'static str,
    database: &'a str,
    at_version: i32,
    schema_version: Option<&'a str>,
    owner: &'a str,
    differences: Vec<Difference<'a>>,
}

#[derive(Serialize)]
struct Difference<'a> {
    nature: &'static str,
    kind: &'static str,
    object: &'a str,
    counts: bool,
    because: Option<&'a str>,
    changes: Vec<Change<'a>>,
    sql: &'a [String],
}

#[derive(Serialize)]
struct Change<'a> {
    property: &'a str,
    expected: Option<&'a str>,
    actual: Option<&'a str>,
}

impl<'a> From<&'a report::Drift> for Drift<'a> {
    fn from(drift: &'a report::Drift) -> Self {
        Self {
            state: if drift.count() == 0 { "clean" } else { "drift" },
            database: &drift.database,
            at_version: drift.version,
            schema_version: drift.schema_version.as_deref(),
            owner: &drift.owner,
            differences: drift.differences.iter().map(Difference::from).collect(),
        }
    }
}

impl<'a> From<&'a report::SchemaDifference> for Difference<'a> {
    fn from(difference: &'a report::SchemaDifference) -> Self {
        Self {
            nature: match difference.nature {
                Nature::Missing => "missing",
                Nature::Extra => "extra",
                Nature::Different => "different",
            },
            kind: difference.kind,
            object: &difference.object,
            counts: difference.counts,
            because: difference.because.as_deref(),
            changes: difference.changes.iter().map(Change::from).collect(),
            sql: &difference.sql,
        }
    }
}

impl<'a> From<&'a report::SchemaChange> for Change<'a> {
    fn from(change: &'a report::SchemaChange) -> Self {
        Self {
            property: &change.property,
            expected: change.expected.as_deref(),
            actual: change.actual.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Adoption<'a> {
    state: &'static str,
    database: &'a str,
    at_version: i32,
    schema_version: Option<&'a str>,
    pending: usize,
    candidates: Vec<Candidate>,
    differences: Vec<Difference<'a>>,
}

#[derive(Serialize)]
struct Candidate {
    version: i32,
    blocking: usize,
    harmless: usize,
}

impl<'a> From<&'a report::Adoption> for Adoption<'a> {
    fn from(adoption: &'a report::Adoption) -> Self {
        let candidate = |candidate: &report::Candidate| Candidate {
            version: candidate.version,
            blocking: candidate.blocking,
            harmless: candidate.harmless,
        };
        Self {
            state: match adoption.state {
                AdoptionState::Adopted => "adopted",
                AdoptionState::Managed => "managed",
                AdoptionState::Refused => "refused",
            },
            database: &adoption.database,
            at_version: adoption.version,
            schema_version: adoption.schema_version.as_deref(),
            pending: adoption.pending,
            candidates: adoption.candidates.iter().map(candidate).collect(),
            differences: adoption.differences.iter().map(Difference::from).collect(),
        }
    }
}
