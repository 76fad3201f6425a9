//! The file of a state: read whole or not at all, replaced in one step.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::State;
use crate::error::{Error, Result, shell_quoted};
use crate::files;
use crate::syntax::words::hexadecimal;

/// Rises when a program could misread what another one wrote.
const FORMAT: u32 = 3;

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    /// Of the text that follows; read first.
    format: u32,
    /// The program that wrote it.
    program: String,
    /// SHA-256 of the text of `state`: a file that was cut off or edited says nothing.
    digest: String,
    state: T,
}

/// A file with the state that an audit leaves for the next one.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// What was read.
    pub(super) state: Option<State>,
    /// Why there is no state.
    pub(super) nothing: Option<String>,
    /// What it is to say.
    pub(super) next: Option<State>,
}

impl StateFile {
    /// Reads the file. None is a beginning, and so is one of an older format.
    ///
    /// # Errors
    /// A file that cannot be read, was damaged, or was written by a newer program; a folder that is
    /// not there.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = Self {
            path: path.to_owned(),
            state: None,
            nothing: None,
            next: None,
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                file.check_folder()?;
                file.nothing = Some(format!("there is no state in \"{}\" yet", path.display()));
                return Ok(file);
            }
            Err(error) => return Err(file.unreadable(&error.to_string())),
        };
        let envelope: Envelope<&RawValue> =
            serde_json::from_str(&text).map_err(|error| file.damaged(&error.to_string()))?;
        match envelope.format {
            FORMAT => {}
            older @ 0..FORMAT => {
                file.nothing = Some(format!(
                    "the state in \"{}\" has format {older}, which this program does not use",
                    path.display()
                ));
                return Ok(file);
            }
            newer => {
                let message = format!("the state in \"{}\" has format {newer}", path.display());
                let detail = format!(
                    "creditdb {} wrote it; this one knows format {FORMAT}",
                    envelope.program
                );
                return Err(Error::usage(message)
                    .detail(detail)
                    .hint(file.begin_anew("use that program, or begin anew")));
            }
        }
        if digest(envelope.state.get()) != envelope.digest {
            return Err(file.damaged("its digest is of another text"));
        }
        let state = serde_json::from_str(envelope.state.get());
        file.state = Some(state.map_err(|error| file.damaged(&error.to_string()))?);
        Ok(file)
    }

    /// Replaces the file by what the audit has left, where it has left anything: a reader, or a
    /// program that is killed, sees the old file or the new one.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn save(&self) -> Result<()> {
        let Some(next) = &self.next else {
            return Ok(());
        };
        self.write(next).map_err(|error| {
            let path = self.path.display();
            Error::undecided(format!("cannot write \"{path}\": {error}"))
                .detail("the state of the audit before stays; the next audit begins there")
                .hint("name a file in a folder that exists and that you may write")
        })
    }

    fn write(&self, state: &State) -> std::io::Result<()> {
        let text = serde_json::to_string(state)?;
        let envelope = Envelope {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            digest: digest(&text),
            state: RawValue::from_string(text)?,
        };
        // A link stays a link, to the new file.
        let path = files::place(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = files::folder_of(&path);
        // Mode 0600 from the beginning: the key is in it.
        let mut new = tempfile::Builder::new()
            .prefix(".creditdb-state-")
            .tempfile_in(folder)?;
        serde_json::to_writer(&mut new, &envelope)?;
        new.write_all(b"\n")?;
        new.as_file().sync_all()?;
        new.persist(&path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    /// The file, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An audit that takes an hour must not end with a folder that is not there.
    fn check_folder(&self) -> Result<()> {
        let Err(folder) = files::place(&self.path) else {
            return Ok(());
        };
        let message = format!("there is no folder \"{}\"", folder.display());
        Err(Error::usage(message).hint(format!("mkdir -p {}", shell_quoted(folder.display()))))
    }

    fn unreadable(&self, why: &str) -> Error {
        let path = self.path.display();
        Error::undecided(format!("cannot read the state in \"{path}\": {why}"))
            .hint(format!("ls -l {}", shell_quoted(path)))
    }

    fn damaged(&self, why: &str) -> Error {
        let path = self.path.display();
        Error::undecided(format!("the state in \"{path}\" is damaged: {why}"))
            .detail("what it had sealed can no longer be compared")
            .hint(self.begin_anew("find out who wrote to it, then begin anew"))
    }

    /// How to do without what the file says.
    pub(super) fn begin_anew(&self, first: &str) -> String {
        let path = self.path.display().to_string();
        let (now, old) = (shell_quoted(&path), shell_quoted(format!("{path}.old")));
        format!("{first}: mv {now} {old}, and the next audit reads everything")
    }
}

fn digest(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}
