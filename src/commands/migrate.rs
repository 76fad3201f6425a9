//! `creditdb migrate`.

use super::Outcome;
use crate::cli::{Global, MigrateArgs};
use crate::error::Result;

pub(super) fn run(_args: &MigrateArgs, _global: &Global) -> Result<Outcome> {
    todo!()
}
