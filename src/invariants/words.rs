//! The words that a check file chooses from, as enums. A part of `contract`, shared with the build
//! script.

use std::fmt;

/// Declares an enum whose words in files and reports are its lower-case variant names.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// All words, in order.
            pub const WORDS: &[&str] = &[$($word),*];

            /// Reads the word of a file.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }

            /// The word in files and reports.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words! {
    /// How a check is written.
    Kind {
        /// A boolean SQL expression over one table; true is a violation.
        Row = "row",
        /// A SELECT that returns violations.
        Query = "query",
        /// A SELECT whose rows Rust interprets.
        Native = "native",
        /// A SELECT of sums over rows, which are compared with those of a state file.
        Sealed = "sealed",
    }
}

words! {
    /// Which rows one violation needs to see; decides how a check runs on a distributed database.
    Scope {
        /// Rows of one user.
        User = "user",
        /// Rows of all users, or rows without a user.
        Global = "global",
        /// Sums over all users.
        Totals = "totals",
    }
}
