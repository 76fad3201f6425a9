//! The key lines at the top of SQL files: `-- key: value`, continued by `--   more words`.
//!
//! Shared with the build script, so this file uses nothing but `std`. What the keys of a check
//! mean is said in `invariants/contract.rs`; what migrations need, in [`MIGRATION_KEYS`].

use std::fmt;

/// Header keys of a migration file, in this order. `rows` is a query that estimates how many rows a
/// batched file is about to change; `precheck` names the checks of the audit that must hold before.
pub const MIGRATION_KEYS: &[Key] = &[
    Key::required("why"),
    Key::required("locks"),
    Key::required("transaction"),
    Key::required("undo"),
    Key::optional("rows"),
    Key::optional("precheck"),
];

/// How the statements of a migration file are run, as its header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All of them in one transaction; also where a file says nothing, as refinery runs it.
    #[default]
    One,
    /// Each by itself, without one.
    None,
    /// Each repeated until it changes no row, in a transaction per repetition.
    Batched,
}

impl Mode {
    /// The words that a header may use.
    pub const WORDS: [&'static str; 3] = ["one", "none", "batched"];

    /// Reads the key `transaction`; none when its word is not known.
    pub fn of(header: &Header<'_>) -> Option<Self> {
        match header.get("transaction") {
            None => Some(Self::default()),
            Some("one") => Some(Self::One),
            Some("none") => Some(Self::None),
            Some("batched") => Some(Self::Batched),
            Some(_) => None,
        }
    }

    /// As a header says it.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// Begins a comment that speaks to this program, such as `-- creditdb: allow RULE: reason`, after
/// the two dashes. It may stand in a header without being a key of it.
pub const DIRECTIVE: &str = " creditdb:";

/// A key that a kind of file knows.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name, as written before the colon.
    pub name: &'static str,
    /// Whether every file must have it.
    pub required: bool,
}

impl Key {
    /// A key that every file must have.
    pub const fn required(name: &'static str) -> Self {
        Self {
            name,
            required: true,
        }
    }

    /// A key that a file may have.
    pub const fn optional(name: &'static str) -> Self {
        Self {
            name,
            required: false,
        }
    }
}

/// What is wrong with a file, and in which line (1-based).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// 1-based line.
    pub line: usize,
    /// Lower case, factual.
    pub message: String,
}

impl Problem {
    /// A problem in a line.
    pub fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// The parsed header of a file and the text below it.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    entries: Vec<Entry>,
    /// All that follows the header.
    pub body: &'a str,
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    value: String,
    line: usize,
}

impl<'a> Header<'a> {
    /// Takes the key lines off the top of a file. It ends at the first line that is neither a key
    /// line nor a continuation, so a file without a header has an empty one. The mark that some
    /// editors put before a text (a byte order mark) is passed over.
    pub fn parse(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut entries: Vec<Entry> = Vec::new();
        let mut rest = text;
        let mut in_directive = false;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let Some(comment) = line.strip_prefix("--") else {
                break;
            };
            let comment = comment.trim_end();
            in_directive =
                comment.starts_with(DIRECTIVE) || in_directive && comment.starts_with("   ");
            if in_directive {
                // Not a key: a word to `lint`.
            } else if let (true, Some(last)) = (comment.starts_with("   "), entries.last_mut()) {
                last.value = format!("{} {}", last.value, comment.trim())
                    .trim()
                    .to_owned();
            } else if let Some((key, value)) = key_line(comment) {
                entries.push(Entry {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    line: index + 1,
                });
            } else {
                break;
            }
            rest = &rest[line.len()..];
        }
        Self {
            entries,
            body: rest,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|e| e.key == key)
            .map(|e| e.value.as_str())
    }

    /// The line of a key; 1 for a key that is not there.
    pub fn line(&self, key: &str) -> usize {
        self.entries
            .iter()
            .find(|e| e.key == key)
            .map_or(1, |e| e.line)
    }

    /// Unknown, missing, repeated, empty or misplaced keys.
    pub fn problems(&self, keys: &[Key]) -> Vec<Problem> {
        let place = |name: &str| keys.iter().position(|k| k.name == name);
        let mut problems = Vec::new();
        let mut newest = 0;
        for entry in &self.entries {
            let quoted = format!("header key \"{}\"", entry.key);
            match place(&entry.key) {
                None => {
                    let known: Vec<_> = keys.iter().map(|k| k.name).collect();
                    problems.push(Problem::new(
                        entry.line,
                        format!("unknown {quoted}; known are {}", known.join(", ")),
                    ));
                }
                Some(at) if at + 1 == newest => {
                    problems.push(Problem::new(entry.line, format!("{quoted} is repeated")));
                }
                Some(at) if at < newest => {
                    let message =
                        format!("{quoted} must stand before \"{}\"", keys[newest - 1].name);
                    problems.push(Problem::new(entry.line, message));
                }
                Some(at) => newest = at + 1,
            }
            if entry.value.is_empty() {
                problems.push(Problem::new(entry.line, format!("{quoted} has no value")));
            }
        }
        for key in keys
            .iter()
            .filter(|k| k.required && self.get(k.name).is_none())
        {
            problems.push(Problem::new(
                1,
                format!("header key \"{}\" is missing", key.name),
            ));
        }
        problems
    }
}

/// The transaction mode that a comment outside of the header asks for in vain, however it is
/// spelled, and how many lines below the beginning of a text it stands. Words of a sentence are no
/// wish: only `none` and `batched` by themselves are.
pub fn misplaced_mode(comments: &str) -> Option<(Mode, usize)> {
    comments.lines().enumerate().find_map(|(below, line)| {
        let (key, value) = line.trim().strip_prefix("--")?.split_once(':')?;
        let modes = [Mode::None, Mode::Batched];
        let wish = |mode: &Mode| value.trim().eq_ignore_ascii_case(mode.word());
        let mode = modes.into_iter().find(wish)?;
        let is_key = key.trim().eq_ignore_ascii_case("transaction");
        is_key.then_some((mode, below))
    })
}

/// Reads ` key: value` (the two dashes are gone already).
fn key_line(comment: &str) -> Option<(&str, &str)> {
    let (key, value) = comment.strip_prefix(' ')?.split_once(':')?;
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    (!key.is_empty() && key.chars().all(plain)).then(|| (key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[Key] = &[
        Key::required("why"),
        Key::optional("until"),
        Key::required("undo"),
    ];

    fn messages(text: &str) -> Vec<String> {
        Header::parse(text)
            .problems(KEYS)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn reads_keys_continuations_and_body() {
        let header =
            Header::parse("-- why: one\n--   two\n-- undo: none\n\n-- a: comment\nSELECT 1;");
        assert_eq!(header.get("why"), Some("one two"));
        assert_eq!(header.line("undo"), 3);
        assert_eq!(header.body, "\n-- a: comment\nSELECT 1;");
        assert!(header.problems(KEYS).is_empty());
    }

    #[test]
    fn a_directive_is_no_key_and_its_continuation_no_value() {
        let header =
            Header::parse("-- why: one\n-- creditdb: allow x: y\n--   z\n-- undo: none\nSELECT 1;");
        assert!(header.problems(KEYS).is_empty());
        assert_eq!(header.get("why"), Some("one"));
        assert_eq!(header.body, "SELECT 1;");
    }

    #[test]
    fn names_each_mistake_with_its_line() {
        assert_eq!(
            messages("-- undo: x\n-- why: y\n-- colour: red\n-- undo:\n"),
            [
                "line 2: header key \"why\" must stand before \"undo\"",
                "line 3: unknown header key \"colour\"; known are why, until, undo",
                "line 4: header key \"undo\" is repeated",
                "line 4: header key \"undo\" has no value",
            ]
        );
        assert_eq!(
            messages("SELECT 1"),
            [
                "line 1: header key \"why\" is missing",
                "line 1: header key \"undo\" is missing"
            ]
        );
    }
}
