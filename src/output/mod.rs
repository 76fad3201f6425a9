//! Formats: a report goes in, bytes come out. Each format is a module with one function of the
//! type [`Writer`]; it has no clock and no environment, and leaves colours to the stream.

pub mod github;
pub mod json;
pub mod progress;
pub mod sql;
pub mod text;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

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

/// Writes to a file, without colours.
///
/// # Errors
/// Whatever the file system says.
pub fn to_file(writer: Writer, report: &Report, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(anstream::StripStream::new(File::create(path)?));
    writer(report, &mut out)?;
    out.flush()
}
