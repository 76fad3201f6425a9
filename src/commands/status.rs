//! `creditdb status`.

use super::Outcome;
use crate::cli::{Global, StatusArgs};
use crate::error::Result;

pub(super) fn run(_args: &StatusArgs, _global: &Global) -> Result<Outcome> {
    todo!()
}
