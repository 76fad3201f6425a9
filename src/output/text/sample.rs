//! `sample` as text.

use std::io::{self, Write};

use crate::report::Sample;

pub(super) fn write(_sample: &Sample, _out: &mut dyn Write) -> io::Result<()> {
    todo!()
}
