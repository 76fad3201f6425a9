//! The catalogue of checks as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Catalogue {}

impl From<&[report::CheckSummary]> for Catalogue {
    fn from(_: &[report::CheckSummary]) -> Self {
        todo!()
    }
}

#[derive(Serialize)]
pub(super) struct Explanation {}

impl From<&report::Explanation> for Explanation {
    fn from(_: &report::Explanation) -> Self {
        todo!()
    }
}
