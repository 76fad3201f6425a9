//! The demo as text: its steps one below the other, each with what it found.

use std::io::{self, Write};

use anstyle::Style;

use crate::report::TourStep;

pub(super) fn write(steps: &[TourStep], out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    for (index, step) in steps.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{bold}── {}. {}{bold:#}", index + 1, step.title)?;
        for note in &step.notes {
            writeln!(out, "  - {note}")?;
        }
        super::write(&step.report, out)?;
    }
    Ok(())
}
