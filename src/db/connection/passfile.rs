//! The password file: `host:port:database:user:password` per line, `*` for any, `\` to escape.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a password file is asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Host name, or `localhost` for the server behind the default unix socket.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: &'a str,
    /// User.
    pub user: &'a str,
}

/// Reads the file. `Err` says why it is ignored, which is no error: libpq ignores such a file
/// too, and the server may not want a password. `None` where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<String>, String> {
    let ignored = |why: &str| format!("password file \"{}\" is ignored: {why}", path.display());
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(None);
    };
    if !metadata.is_file() {
        return Err(ignored("it is not a plain file"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(ignored(&format!(
            "its mode {mode:04o} lets group or others in (chmod 0600 makes it count)"
        )));
    }
    fs::read_to_string(path)
        .map(Some)
        .map_err(|error| ignored(&error.to_string()))
}

/// The password of the first line that matches.
pub(super) fn find(text: &str, wanted: Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let asked = [wanted.host, &port, wanted.database, wanted.user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let fields = fields(line);
            let (password, names) = fields.split_last().filter(|(_, n)| n.len() == 4)?;
            let matches = names.iter().zip(asked).all(|(field, asked)| {
                // Only a bare star is a wildcard; an escaped one is a name.
                field.raw == "*" || field.text == asked
            });
            (matches && !password.text.is_empty()).then(|| password.text.clone())
        })
}

#[derive(Default)]
struct Field {
    raw: String,
    text: String,
}

/// The first five fields of a line. Like in libpq, an unescaped colon ends the password as well.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field::default()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == ':' {
            if fields.len() == 5 {
                break;
            }
            fields.push(Field::default());
            continue;
        }
        let Some(field) = fields.last_mut() else {
            break;
        };
        field.raw.push(character);
        let escaped = (character == '\\').then(|| characters.next()).flatten();
        field.raw.extend(escaped);
        field.text.push(escaped.unwrap_or(character));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_for(text: &str, host: &str, user: &str) -> Option<String> {
        let wanted = Wanted {
            host,
            port: 5432,
            database: "credits",
            user,
        };
        find(text, wanted)
    }

    #[test]
    fn the_first_matching_line_counts() {
        let text = "# db:5432:credits:a:no\n\
                    db:5433:credits:a:wrong port\n\
                    db:*:credits:a:first\n\
                    *:*:*:*:any";
        assert_eq!(find_for(text, "db", "a").as_deref(), Some("first"));
        assert_eq!(find_for(text, "db", "b").as_deref(), Some("any"));
        assert_eq!(find_for("db:5432:other:*:x", "db", "a"), None);
        assert_eq!(find_for("db:5432:credits:a", "db", "a"), None);
        assert_eq!(find_for("", "db", "a"), None);
    }

    #[test]
    fn a_backslash_takes_away_meaning() {
        let text = r"\*:*:*:*:star
\:\:1:5432:*:a\\b:p\:w\\
";
        assert_eq!(find_for(text, "db", "a"), None);
        assert_eq!(find_for(text, "*", "a").as_deref(), Some("star"));
        assert_eq!(find_for(text, "::1", r"a\b").as_deref(), Some(r"p:w\"));
    }
}
