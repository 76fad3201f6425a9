//! A folder of files that a test writes.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// Removed with its handle.
pub struct Folder(TempDir);

impl Folder {
    /// With files: relative path and content.
    pub fn with<C: AsRef<[u8]>>(files: &[(&str, C)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its path as an argument.
    pub fn arg(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Replaces its path in a text, for snapshots.
    pub fn scrub(&self, text: &str) -> String {
        text.replace(self.arg(), "DIR")
    }
}
