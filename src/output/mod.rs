//! Formats: a report goes in, bytes come out. Each format is a module with one function of the
//! type [`Writer`]; it has no clock and no environment, and leaves colours to the stream.

mod file;
pub mod github;
pub mod json;
pub mod progress;
pub mod sql;
pub mod text;

use std::io::{self, BufWriter, Write};

pub use file::Destination;

use crate::report::Report;

/// The signature of a format.
pub type Writer = fn(&Report, &mut dyn Write) -> io::Result<()>;

/// Writes to stdout, with colours only where they are wanted. A reader that has gone away
/// (`creditdb list | head`) is no error.
///
/// # Errors
/// Whatever stdout says, a broken pipe apart.
pub fn to_stdout(writer: Writer, report: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    match writer(report, &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
