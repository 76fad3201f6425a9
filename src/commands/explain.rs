//! `creditdb explain`.

use super::Outcome;
use crate::cli::ExplainArgs;
use crate::error::Result;

pub(super) fn run(_args: &ExplainArgs) -> Result<Outcome> {
    todo!()
}
