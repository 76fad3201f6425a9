//! A file that was edited after it was applied: how much of an edit that is, and realigning its
//! checksum where it is none that matters.
//!
//! The history has a checksum only, not the text. An edit of line endings, of a byte order mark or
//! of the last line's end is found by computing the checksums of the other forms. That an edit
//! touches comments and white space only is known when this program applied the file: its log has
//! a digest without them.

use std::fmt;
use std::path::Path;

use postgres::{Client, GenericClient};
use refinery::Migration;

use super::history::{History, Place, Row};
use super::log::Log;
use super::set::{File, Set};
use super::standing::Standing;
use crate::error::{Error, Result, shell_quoted};
use crate::report::Progress;
use crate::syntax::words::digest;

/// How much of an edit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Line endings, byte order mark, the end of the last line.
    Endings,
    /// Comments and white space.
    Comments,
    /// The text is the same, the name is another.
    Renamed,
    /// Anything else, or what cannot be shown to be less.
    Real,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endings => "only in its line endings, byte order mark or last line end",
            Self::Comments => "only in comments and white space",
            Self::Renamed => "only in its name",
            Self::Real => "in what it does, as far as can be told",
        })
    }
}

/// Compares a file with what the history and the log know of the text that was applied.
pub(super) fn classify(file: &File, row: &Row, log: &Log) -> Edit {
    let stem = format!("{}{}__{}", file.migration.prefix(), row.version, row.name);
    let same = |text: &String| {
        Migration::unapplied(&stem, text).is_ok_and(|other| other.checksum() == row.checksum)
    };
    let is_renamed = file.migration.name() != row.name;
    // The checksum covers the name, so under the old one the same text has the same checksum.
    if same(&file.sql().to_owned()) || other_endings(file.sql()).iter().any(same) {
        return if is_renamed {
            Edit::Renamed
        } else {
            Edit::Endings
        };
    }
    if is_renamed {
        return Edit::Real;
    }
    match log.applied_digest(row.version) {
        Some(applied) if applied == digest(without_mark(file.sql())) => Edit::Comments,
        _ => Edit::Real,
    }
}

/// The first applied version whose file has other statements than were applied, as far as can be
/// told: in words, with the next step.
///
/// # Errors
/// What the server says; the log is read only when a file differs.
pub(super) fn first(
    client: &mut impl GenericClient,
    set: &Set,
    history: &History,
) -> Result<Option<(String, String)>> {
    let rows = history.rows.iter();
    let applied = rows.filter_map(|row| Some((set.find(row.version)?, row)));
    let differing: Vec<(&File, &Row)> = applied
        .filter(|(file, row)| super::standing::differs(file, row))
        .collect();
    if differing.is_empty() {
        return Ok(None);
    }
    let place = Place::find(client, set.history_schema)?;
    let log = Log::read(client, &place)?;
    let real = differing
        .into_iter()
        .find(|(file, row)| classify(file, row, &log) == Edit::Real);
    Ok(real.map(|(file, row)| tell(set, file, row, &log)))
}

/// What an edit is in words, and the next step.
pub(super) fn tell(set: &Set, file: &File, row: &Row, log: &Log) -> (String, String) {
    let edit = classify(file, row, log);
    let (path, at, name, version) = (&file.path, &row.applied_on, &row.name, row.version);
    let restore = format!("git log --follow -- {}", shell_quoted(path));
    // Nobody can edit or rename a file of the program: the database is somebody else's.
    let of_others = |hint: String| {
        if set.is_embedded() {
            "name the migrations that made this database (creditdb status --migrations DIR), or \
             another database (--database-url URL)"
                .to_owned()
        } else {
            hint
        }
    };
    match edit {
        Edit::Renamed => (
            format!(
                "\"{path}\" has another name than it was applied under on {at}, \"{name}\"; its \
                 text is the same"
            ),
            of_others(rename_back(file, row)),
        ),
        Edit::Real if file.migration.name() != name => (
            format!(
                "\"{path}\" is not what was applied on {at} as version {version}, \"{name}\": \
                 neither its name nor its text, as far as can be told"
            ),
            of_others(format!(
                "name the database and the migrations that belong together, or restore the applied \
                 file ({restore})"
            )),
        ),
        Edit::Real => (
            edited(file, row, edit),
            of_others(format!(
                "restore the applied text ({restore}), and put the change into a new migration"
            )),
        ),
        Edit::Endings | Edit::Comments => (
            edited(file, row, edit),
            format!(
                "restore the applied text, or: {} --accept-edit {version}",
                set.command("migrate")
            ),
        ),
    }
}

fn edited(file: &File, row: &Row, edit: Edit) -> String {
    format!(
        "\"{}\" was edited after it was applied on {} as \"{}\": {edit}",
        file.path, row.applied_on, row.name
    )
}

fn rename_back(file: &File, row: &Row) -> String {
    let old = format!(
        "{}{}__{}.sql",
        file.migration.prefix(),
        row.version,
        row.name
    );
    let path = Path::new(&file.path).with_file_name(old);
    format!(
        "mv {} {}",
        shell_quoted(&file.path),
        shell_quoted(path.display())
    )
}

/// The forms that editors and version control give to one text.
fn other_endings(text: &str) -> Vec<String> {
    let plain = without_mark(text).replace("\r\n", "\n");
    let bare = plain.trim_end_matches('\n');
    let mut forms = Vec::new();
    for body in [
        plain.clone(),
        bare.to_owned(),
        format!("{bare}\n"),
        format!("{bare}\n\n"),
    ] {
        for mark in ["", "\u{feff}"] {
            forms.push(format!("{mark}{body}"));
            forms.push(format!("{mark}{}", body.replace('\n', "\r\n")));
        }
    }
    forms
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Realigns the checksum of one version whose edit does not matter. Under the lock of the
/// deployer; the update names the old value, so it hits what was looked at or nothing.
///
/// # Errors
/// Refused, when the version is not edited, or in more than form.
pub(super) fn accept(
    client: &mut Client,
    set: &Set,
    standing: &mut Standing,
    version: i32,
    progress: &dyn Progress,
) -> Result<()> {
    let (Some(file), Some(row)) = (set.find(version), standing.history.find(version)) else {
        return Err(Error::usage(format!(
            "version {version} is not both applied and in {}",
            set.origin
        ))
        .hint(set.command("status") + " shows which files were edited"));
    };
    if !super::standing::differs(file, row) {
        progress.remark(&format!(
            "\"{}\" is as it was applied: nothing to accept",
            file.path
        ));
        return Ok(());
    }
    let edit = classify(file, row, &standing.log);
    if edit == Edit::Renamed {
        return Err(Error::refused(format!(
            "\"{}\" was applied as \"{}\": its checksum is left alone",
            file.path, row.name
        ))
        .detail("a name cannot be accepted: the history has the old one")
        .hint(rename_back(file, row)));
    }
    if edit == Edit::Real {
        return Err(Error::refused(format!(
            "\"{}\" was edited {edit}: its checksum is left alone",
            file.path
        ))
        .detail("only edits of line endings, and of comments and white space, can be accepted")
        .hint("restore the applied text, and put the change into a new migration"));
    }
    let (old, new) = (
        row.checksum.to_string(),
        file.migration.checksum().to_string(),
    );
    standing.log.create(client)?;
    let mut transaction = client.transaction()?;
    let update = format!(
        "UPDATE {} SET checksum = $2 WHERE version = $1 AND checksum = $3",
        standing.history.table
    );
    let changed = transaction.execute(&update, &[&version, &new, &old])?;
    if changed != 1 {
        return Err(Error::refused(format!(
            "the history row of version {version} changed meanwhile"
        ))
        .hint(set.command("status")));
    }
    standing
        .log
        .accepted(&mut transaction, version, (&old, &new))?;
    transaction.commit()?;
    progress.remark(&format!(
        "\"{}\" was edited {edit}: checksum {old} is now {new}",
        file.path
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_forms_of_one_text() {
        let forms = other_endings("a\r\nb\r\n");
        for form in [
            "a\nb\n",
            "a\nb",
            "\u{feff}a\nb\n",
            "a\r\nb",
            "a\r\nb\r\n\r\n",
        ] {
            assert!(forms.iter().any(|known| known == form), "{form:?}");
        }
        assert!(!forms.iter().any(|form| form == "a\n b\n"));
    }
}
