//! `creditdb sample`.

use super::Outcome;
use crate::cli::{Global, SampleArgs};
use crate::error::Result;

pub(super) fn run(_args: &SampleArgs, _global: &Global) -> Result<Outcome> {
    todo!()
}
