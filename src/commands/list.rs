//! `creditdb list`.

use super::Outcome;
use crate::cli::CatalogueArgs;
use crate::error::Result;

pub(super) fn run(_args: &CatalogueArgs) -> Result<Outcome> {
    todo!()
}
