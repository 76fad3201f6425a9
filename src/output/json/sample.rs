//! `sample` as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Sample {
    users: u64,
    requests: u64,
    entries: u64,
    seed: u32,
    until: String,
    elapsed_ms: u64,
}

impl From<&report::Sample> for Sample {
    fn from(sample: &report::Sample) -> Self {
        let report::Sample {
            users,
            requests,
            entries,
            seed,
            until,
            elapsed_ms,
        } = *sample;
        Self {
            users,
            requests,
            entries,
            seed,
            until: until.to_string(),
            elapsed_ms,
        }
    }
}
