//! Errors as a person reads them: a primary line, details, and a hint that is the next step.
//!
//! This is also the one place that takes a server error apart. Rendering is the job of `main`.

mod plain;
mod privilege;
mod secret;
mod shell;

use std::error::Error as StdError;
use std::fmt;

use postgres::error::{DbError, ErrorPosition, Severity, SqlState};

pub use plain::{plain, plain_inset, plain_line, plain_lines};
pub use secret::masked;
pub use shell::{shell_quoted, shell_word};

/// What an error means for the caller; each kind has its own exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller has to correct an argument or a file.
    Usage,
    /// The question could not be answered: unreachable, no permission, time-out.
    Undecided,
    /// The work was refused before anything was changed.
    Refused,
    /// A migration failed and was rolled back.
    RolledBack,
    /// A step that no transaction protects was cut off; running it again completes it.
    CutOff,
}

/// An error with a primary line (lower case, factual), details and a hint (what to type next).
///
/// Never put a secret into any of its parts: all of them are printed.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    primary: String,
    details: Vec<String>,
    hint: Option<String>,
    sqlstate: Option<String>,
    line: Option<usize>,
    connection_lost: bool,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Of a kind that is known at run time only.
    pub fn new(kind: Kind, primary: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            primary: primary.into(),
            details: Vec::new(),
            hint: None,
            sqlstate: None,
            line: None,
            connection_lost: false,
        }))
    }

    /// The caller has to correct an argument or a file.
    pub fn usage(primary: impl Into<String>) -> Self {
        Self::new(Kind::Usage, primary)
    }

    /// The question could not be answered.
    pub fn undecided(primary: impl Into<String>) -> Self {
        Self::new(Kind::Undecided, primary)
    }

    /// The work was refused, nothing was changed.
    pub fn refused(primary: impl Into<String>) -> Self {
        Self::new(Kind::Refused, primary)
    }

    /// A migration failed and was rolled back.
    pub fn rolled_back(primary: impl Into<String>) -> Self {
        Self::new(Kind::RolledBack, primary)
    }

    /// A step that no transaction protects was cut off.
    pub fn cut_off(primary: impl Into<String>) -> Self {
        Self::new(Kind::CutOff, primary)
    }

    /// Adds a detail: a line (or a block of lines) below the primary one.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.details.push(detail.into());
        self
    }

    /// Sets the hint: the next step, best a command to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the line (from 1) of the file that it is about.
    #[must_use]
    pub fn at_line(mut self, line: usize) -> Self {
        self.0.line = Some(line);
        self
    }

    /// Puts the words of what was being done in front of the primary line.
    #[must_use]
    pub fn during(mut self, what: impl fmt::Display) -> Self {
        self.0.primary = format!("{what}: {}", self.0.primary);
        self
    }

    /// Of a trial on another server: what it left there, such as a migration that was rolled back,
    /// is no outcome for the database in question, and nothing that can be typed mends it there.
    #[must_use]
    pub fn of_trial(mut self, place: impl Into<String>) -> Self {
        self.0.kind = Kind::Undecided;
        self.0.hint = None;
        self.detail(place)
    }

    /// What the error means for the caller.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The primary line.
    pub fn primary(&self) -> &str {
        &self.0.primary
    }

    /// The details, in the order in which they were added.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// The next step, where there is one.
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The SQLSTATE, when the error came from a server.
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// The line of the file that it is about, where it is about one.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    /// Whether the connection itself is gone, so that the outcome on the server is unknown.
    pub fn connection_lost(&self) -> bool {
        self.0.connection_lost
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.primary)
    }
}

impl StdError for Error {}

/// What a server said about a statement, taken out of the driver's error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// Primary message; the driver's own words when the error did not come from a server.
    pub message: String,
    /// Detail line of the server.
    pub detail: Option<String>,
    /// Hint line of the server.
    pub hint: Option<String>,
    /// Call stack of the server (functions that were running).
    pub context: Option<String>,
    /// SQLSTATE, five characters.
    pub sqlstate: Option<String>,
    /// Where in the statement: 1-based, in characters.
    pub position: Option<u32>,
    /// Whether the connection is gone.
    pub connection_lost: bool,
}

impl ServerError {
    /// Reads a driver error. `Display` of the driver's type says only "db error".
    pub fn read(error: &postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self {
                message: plain(&chain(error)),
                connection_lost: error.is_closed()
                    || error.source().is_some_and(|s| s.is::<std::io::Error>()),
                ..Self::default()
            };
        };
        let code = db.code().code();
        Self {
            message: plain(&masked(db.message())),
            detail: db.detail().map(quoted),
            hint: db.hint().map(quoted),
            context: db.where_().map(quoted),
            sqlstate: Some(code.to_owned()),
            position: match db.position() {
                Some(ErrorPosition::Original(at)) => Some(*at),
                _ => None,
            },
            // Class 57P: the server ends the session (shutdown, crash, terminated by an operator),
            // as it does after anything fatal, such as the end of transaction_timeout.
            connection_lost: code.starts_with("57P")
                || matches!(
                    db.parsed_severity(),
                    Some(Severity::Fatal | Severity::Panic)
                ),
        }
    }
}

impl Error {
    /// Adds what a server said besides its message: detail, context, hint and SQLSTATE.
    #[must_use]
    pub fn with_server_words(mut self, words: &ServerError) -> Self {
        self.0.details.extend(
            words
                .detail
                .iter()
                .map(|detail| format!("detail: {detail}")),
        );
        self.0.details.extend(
            words
                .context
                .iter()
                .map(|context| format!("context: {context}")),
        );
        self.0.hint = words.hint.clone().or(self.0.hint);
        self.0.sqlstate.clone_from(&words.sqlstate);
        self.0.connection_lost = words.connection_lost;
        self
    }
}

impl From<postgres::Error> for Error {
    fn from(source: postgres::Error) -> Self {
        let words = ServerError::read(&source);
        let mut error = Self::undecided(words.message.clone());
        if let Some(said) = source.as_db_error().filter(|said| lacks_privilege(said)) {
            error.0.hint = privilege::what_grants(said.routine(), said.message());
        }
        error.with_server_words(&words)
    }
}

fn lacks_privilege(said: &DbError) -> bool {
    *said.code() == SqlState::INSUFFICIENT_PRIVILEGE
}

/// A WARNING or NOTICE in words: primary line, detail and hint. None is what has nothing to tell:
/// that an IF NOT EXISTS found what it asked for.
pub fn notice(said: &DbError) -> Option<String> {
    if *said.code() == SqlState::DUPLICATE_TABLE {
        return None;
    }
    let severity = match said.parsed_severity() {
        Some(Severity::Warning) => "warning",
        Some(Severity::Notice) => "notice",
        _ => return None,
    };
    let further = |word: &str, text: Option<&str>| {
        text.map(|text| format!("\n  {word}: {}", quoted(text)))
            .unwrap_or_default()
    };
    let message = plain(&masked(said.message()));
    let (detail, hint) = (
        further("detail", said.detail()),
        further("hint", said.hint()),
    );
    Some(format!("{severity}: {message}{detail}{hint}"))
}

/// What a server says may quote a row, and so a key in it, or what looks like a line of somebody
/// else's when it stands at the beginning of one.
fn quoted(text: &str) -> String {
    plain_inset(&masked(text)).replace('\n', "\n  | ")
}

/// The messages of an error and of all its sources, without repeats.
pub fn chain(error: &dyn StdError) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        next = source.source();
    }
    words
}
