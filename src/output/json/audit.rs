//! The audit as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Audit {}

impl From<&report::Audit> for Audit {
    fn from(_: &report::Audit) -> Self {
        todo!()
    }
}
