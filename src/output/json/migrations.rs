//! `status` and `migrate` as JSON.

use serde::Serialize;

use crate::report;

#[derive(Serialize)]
pub(super) struct Status {}

impl From<&report::Status> for Status {
    fn from(_: &report::Status) -> Self {
        todo!()
    }
}

#[derive(Serialize)]
pub(super) struct Deployment {}

impl From<&report::Deployment> for Deployment {
    fn from(_: &report::Deployment) -> Self {
        todo!()
    }
}
