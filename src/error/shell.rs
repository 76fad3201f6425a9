//! Hints are commands to type, so what they name has to survive a shell.

use std::fmt::Display;

/// A text as one word of a shell, quoted where it has to be.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:,@%+".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return text.to_owned();
    }
    shell_quoted(text)
}

/// A text in quotes of a shell, whatever it contains.
pub fn shell_quoted(text: impl Display) -> String {
    format!("'{}'", text.to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{shell_quoted, shell_word};

    #[test]
    fn a_word_stays_one_word() {
        for (text, word) in [
            ("credits", "credits"),
            ("/var/run/postgresql", "/var/run/postgresql"),
            ("no db'x", r"'no db'\''x'"),
            ("a;b", "'a;b'"),
            ("-x", "'-x'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), word);
        }
        assert_eq!(shell_quoted("credits"), "'credits'");
    }
}
