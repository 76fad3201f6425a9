//! The catalogue of checks as text.

use std::io::{self, Write};

use crate::report::{CheckSummary, Explanation};

pub(super) fn list(_checks: &[CheckSummary], _out: &mut dyn Write) -> io::Result<()> {
    todo!()
}

pub(super) fn explain(_explanation: &Explanation, _out: &mut dyn Write) -> io::Result<()> {
    todo!()
}
