//! How bad a finding is: of a check as well as of a rule. Shared with the build script, which reads
//! the headers of checks.

use std::fmt;

/// How bad a finding is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Of a check: money wrong, secret exposed, evidence lost. Of a rule: it would hurt.
    Error,
    /// A risk of the above.
    Warning,
    /// Worth knowing; nothing fails because of it.
    Info,
}

impl Severity {
    /// All words, in order.
    pub const WORDS: &[&str] = &[Self::Error.word(), Self::Warning.word(), Self::Info.word()];

    /// Reads the word of a file.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Error, Self::Warning, Self::Info];
        all.into_iter().find(|severity| severity.word() == word)
    }

    /// Its word in files and in every format.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// Whether a command that finds it ends with the exit code for findings.
    pub fn fails(self) -> bool {
        match self {
            Self::Error | Self::Warning => true,
            Self::Info => false,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
