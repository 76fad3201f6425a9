//! `creditdb verify`.

use super::Outcome;
use crate::cli::{Global, VerifyArgs};
use crate::error::Result;

pub(super) fn run(_args: &VerifyArgs, _global: &Global) -> Result<Outcome> {
    todo!()
}
