//! `sample` as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Sample {}

impl From<&report::Sample> for Sample {
    fn from(_: &report::Sample) -> Self {
        todo!()
    }
}
