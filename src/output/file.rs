//! A file that a report goes to. Whether it can be written is found out before there is a report,
//! and nobody ever reads an old report, or half of one, for the new one.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use super::Writer;
use crate::report::Report;

/// A place for a report, which was writable when it was looked at.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// By a new file that takes the name when it is whole, with mode and owner of the one before.
    Renamed(Metadata),
    /// Devices and pipes, and files whose names are not ours to give away.
    InPlace,
}

impl Destination {
    /// Looks whether a path can be written, and takes away the file that is there: a run that ends
    /// without a report, however it ends, leaves none behind.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn prepare(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path);
        let is_special = found.is_ok_and(|found| !found.is_file() && !found.is_dir());
        // What is open already may be a file, which keeps what others wrote into it.
        let is_open = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];
        if is_special || is_open.iter().any(|place| path.starts_with(place)) {
            // Not opened: a pipe would wait for its reader.
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?;
            return Ok(Self::new(path.to_owned(), Way::InPlace));
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        // A link stays a link, to the new file.
        let real = fs::canonicalize(path)?;
        match fs::remove_file(&real) {
            Ok(()) => Ok(Self::new(real, Way::Renamed(file.metadata()?))),
            Err(_) => {
                file.set_len(0)?;
                Ok(Self::new(real, Way::InPlace))
            }
        }
    }

    fn new(path: PathBuf, way: Way) -> Self {
        Self { path, way }
    }

    /// Writes a report, without colours.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, writer: Writer, report: &Report) -> io::Result<()> {
        let Way::Renamed(before) = &self.way else {
            return fill(&mut self.open()?, writer, report);
        };
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let mut new = tempfile::Builder::new()
            .prefix(".creditdb-output-")
            .tempfile_in(folder)?;
        fill(new.as_file_mut(), writer, report)?;
        // Only root may give files away; to others the file then belongs that they have made.
        let _ = fchown(new.as_file(), Some(before.uid()), Some(before.gid()));
        new.as_file().set_permissions(before.permissions())?;
        new.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    /// What is opened once more by its name has a position of its own, and so would overwrite what
    /// went to the same file by stdout or stderr.
    fn open(&self) -> io::Result<File> {
        let is = |names: [&str; 3]| names.iter().any(|name| self.path == Path::new(name));
        if is(["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) {
            io::stdout().as_fd().try_clone_to_owned().map(File::from)
        } else if is(["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"]) {
            io::stderr().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::create(&self.path)
        }
    }
}

fn fill(file: &mut File, writer: Writer, report: &Report) -> io::Result<()> {
    let file: Box<dyn Write + '_> = if writer.has_colours {
        Box::new(anstream::StripStream::new(file))
    } else {
        Box::new(file)
    };
    let mut out = BufWriter::new(file);
    (writer.write)(report, &mut out)?;
    out.flush()
}
