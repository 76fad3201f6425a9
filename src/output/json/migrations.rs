//! `status` and `migrate` as JSON.

use serde::Serialize;

use super::rehearsal::Failure;
use crate::report::{self, MigrationState, StatusState};

#[derive(Serialize)]
pub(super) struct Status<'a> {
    state: &'static str,
    schema_version: Option<&'a str>,
    migrations: Vec<Migration<'a>>,
    problems: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Migration<'a> {
    version: i32,
    name: &'a str,
    state: &'static str,
    applied_on: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Problem<'a> {
    code: &'static str,
    version: Option<i32>,
    message: &'a str,
    hint: &'a str,
}

/// The word of a state.
pub(super) fn state(state: StatusState) -> &'static str {
    match state {
        StatusState::Current => "current",
        StatusState::Pending => "pending",
        StatusState::HalfDone => "half_done",
        StatusState::Refused => "refused",
        StatusState::Unmanaged => "unmanaged",
    }
}

impl<'a> From<&'a report::Status> for Status<'a> {
    fn from(status: &'a report::Status) -> Self {
        Self {
            state: state(status.state),
            schema_version: status.schema_version.as_deref(),
            migrations: status.migrations.iter().map(Migration::from).collect(),
            problems: (status.problems.iter().chain(&status.unfinished))
                .map(Problem::from)
                .collect(),
        }
    }
}

impl<'a> From<&'a report::MigrationStatus> for Migration<'a> {
    fn from(migration: &'a report::MigrationStatus) -> Self {
        Self {
            version: migration.version,
            name: &migration.name,
            state: match migration.state {
                MigrationState::Applied => "applied",
                MigrationState::Pending => "pending",
                MigrationState::Edited => "edited",
                MigrationState::Missing => "missing",
                MigrationState::Newer => "newer",
            },
            applied_on: migration.applied_on.as_deref(),
        }
    }
}

impl<'a> From<&'a report::Problem> for Problem<'a> {
    fn from(problem: &'a report::Problem) -> Self {
        let report::Problem {
            code,
            version,
            message,
            hint,
        } = problem;
        Self {
            code,
            version: *version,
            message,
            hint,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Deployment<'a> {
    applied: Vec<Applied<'a>>,
    at_version: Option<i32>,
    schema_version: Option<&'a str>,
    pending: usize,
    failure: Option<Failure<'a>>,
}

#[derive(Serialize)]
struct Applied<'a> {
    version: i32,
    name: &'a str,
    elapsed_ms: u64,
}

impl<'a> From<&'a report::Deployment> for Deployment<'a> {
    fn from(deployment: &'a report::Deployment) -> Self {
        let applied = |m: &'a report::AppliedMigration| Applied {
            version: m.version,
            name: &m.name,
            elapsed_ms: m.elapsed_ms,
        };
        Self {
            applied: deployment.applied.iter().map(applied).collect(),
            at_version: deployment.version,
            schema_version: deployment.schema_version.as_deref(),
            pending: deployment.pending,
            failure: deployment.failure.as_ref().map(Failure::from),
        }
    }
}
