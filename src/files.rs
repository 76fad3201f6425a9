//! Files on disk: where they are; of migrations, finding them, reading them, what their names say.
//! Their content is the business of others.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, shell_quoted};

/// `V<digits>__<word characters>` or `U…`: what refinery runs. It skips other files in silence.
pub fn follows_convention(stem: &str) -> bool {
    let Some((number, words)) = number_and_words(stem) else {
        return false;
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && !words.is_empty()
        && words.chars().all(is_word)
}

/// The version in the name of a migration file; none when it is not named like one.
pub fn version(path: &Path) -> Option<i32> {
    let stem = path.file_stem()?.to_str()?;
    if !follows_convention(stem) || path.extension()? != "sql" {
        return None;
    }
    number_and_words(stem)?.0.parse().ok()
}

fn number_and_words(stem: &str) -> Option<(&str, &str)> {
    stem.strip_prefix(['V', 'U'])?.split_once("__")
}

/// The text of a file.
///
/// # Errors
/// A file that cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> Result<String> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| {
        Error::undecided(format!("cannot read \"{shown}\": {error}"))
            .hint(format!("ls -l {}", shell_quoted(&shown)))
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::usage(format!("\"{shown}\" is not UTF-8 text"))
            .detail(format!(
                "the first byte that does not fit is at offset {at}"
            ))
            .hint(format!(
                "iconv -f ISO-8859-1 -t UTF-8 {}",
                shell_quoted(&shown)
            ))
    })
}

/// The directory that a path without one is in, too.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// As many links to links as the system follows.
const LINKS: u8 = 40;

/// Where a file is, or would be made: its name in the folder that the system finds. Links are
/// followed, also one that leads nowhere yet.
///
/// # Errors
/// The folder that is not there.
pub fn place(path: &Path) -> std::result::Result<PathBuf, PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = folder_of(&path).join(target);
    }
    let folder = folder_of(&path);
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(real), Some(name)) if real.is_dir() => Ok(real.join(name)),
        _ => Err(folder.to_owned()),
    }
}

/// All files below a directory, as refinery finds them, in a stable order; hidden ones left out.
/// Links to directories are not followed: one to a folder above would have no end.
///
/// # Errors
/// A directory that is missing or unreadable.
pub fn below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for (path, is_directory) in entries(directory)? {
        if is_directory {
            found.extend(below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The files in a directory itself, in a stable order; hidden ones left out.
///
/// # Errors
/// A directory that is missing or unreadable.
pub fn within(directory: &Path) -> Result<Vec<PathBuf>> {
    let files = entries(directory)?.into_iter();
    let files = files.filter(|(_, is_directory)| !is_directory);
    let mut found: Vec<PathBuf> = files.map(|(path, _)| path).collect();
    found.sort();
    Ok(found)
}

/// What is not hidden in a directory, and whether it is a directory.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let unreadable = |error: std::io::Error| {
        let message = format!(
            "cannot read the directory \"{}\": {error}",
            directory.display()
        );
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Error::undecided(message),
            _ => Error::usage(message),
        }
        .hint("name a directory of V<number>__<words>.sql files with --migrations")
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            let is_directory = entry.file_type().map_err(unreadable)?.is_dir();
            found.push((entry.path(), is_directory));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_refinery_would_skip_are_told_apart() {
        for good in ["V1__a", "U20__add_index_2", "V007__x"] {
            assert!(follows_convention(good), "{good}");
        }
        for bad in [
            "v1__a",
            "V1_a",
            "V__a",
            "V1__",
            "V1.5__a",
            "V2__add-index",
            "V1__a b",
            "1__a",
        ] {
            assert!(!follows_convention(bad), "{bad}");
        }
    }

    #[test]
    fn the_version_is_the_number_of_the_name() {
        assert_eq!(version(Path::new("a/V007__x.sql")), Some(7));
        assert_eq!(version(Path::new("V7__x.txt")), None);
        assert_eq!(version(Path::new("V99999999999__x.sql")), None);
    }
}
