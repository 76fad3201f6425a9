//! Formats: a report goes in, bytes come out. Each format is a module with one function for a
//! [`Writer`], with no clock and no environment. Text leaves its colours to the stream; what is for
//! programs stays as it is, escape characters of somebody's data included.

mod file;
pub mod github;
pub mod json;
pub mod progress;
pub mod sql;
pub mod text;

use std::io::{self, BufWriter, Write};

pub use file::Destination;

use crate::report::Report;

/// What writes a report in a format.
#[derive(Clone, Copy)]
pub struct Writer {
    /// The function of the format.
    pub write: fn(&Report, &mut dyn Write) -> io::Result<()>,
    /// Whether escape sequences in it are colours, and nothing else.
    pub has_colours: bool,
}

/// Writes to stdout, with colours only where they are wanted. A reader that has gone away
/// (`creditdb list | head`) is no error.
///
/// # Errors
/// Whatever stdout says, a broken pipe apart.
pub fn to_stdout(writer: Writer, report: &Report) -> io::Result<()> {
    let stdout: Box<dyn Write> = if writer.has_colours {
        Box::new(anstream::stdout().lock())
    } else {
        Box::new(io::stdout().lock())
    };
    let mut out = BufWriter::new(stdout);
    match (writer.write)(report, &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
