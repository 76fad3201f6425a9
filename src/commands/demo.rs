//! `creditdb demo`.

use super::Outcome;
use crate::cli::{DemoArgs, Global};
use crate::error::Result;

pub(super) fn run(_args: &DemoArgs, _global: &Global) -> Result<Outcome> {
    todo!()
}
