//! The audit as text.

use std::io::{self, Write};

use crate::report::Audit;

pub(super) fn write(_audit: &Audit, _out: &mut dyn Write) -> io::Result<()> {
    todo!()
}
