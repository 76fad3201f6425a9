//! Keys of providers in what a report or an error quotes from the database.

use std::sync::LazyLock;

use regex::Regex;

/// How keys of the known providers begin, after a character that keys do not contain or what JSON
/// spells one with, and what follows. Shorter than what the checks of keys ask for: to hide a word
/// that is none costs less than to show a key that was cut.
#[expect(
    clippy::expect_used,
    reason = "the pattern is a constant, and a test uses it"
)]
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    let begins = r"(^|[^A-Za-z0-9_-]|\\[bfnrt]|\\u[0-9A-Fa-f]{4})";
    let key = r"(sk-|AIza|gsk_|hf_|r8_|xai-|AKIA)[A-Za-z0-9_-]{12,}";
    Regex::new(&format!("{begins}{key}")).expect("a regular expression")
});

/// The text with only the beginning left of each key in it, as in `sk-***`. References, messages
/// and rows that a server quotes may hold one, and reports go to mailboxes and logs.
#[must_use]
pub fn masked(text: &str) -> String {
    KEY.replace_all(text, "$1$2***").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_key_the_beginning_is_left() {
        for (text, shown) in [
            ("sk-proj-0123456789abcdef", "sk-***"),
            (
                "(a, sk-0123456789abcdef, hf_0123456789abcdef)",
                "(a, sk-***, hf_***)",
            ),
            (
                r#"{"m": "\nAKIA0123456789ABCDEF"}"#,
                r#"{"m": "\nAKIA***"}"#,
            ),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn other_words_stay() {
        for text in [
            "task-0123456789abcdef",
            "sk-...abcd",
            "pay_0123456789abcdef",
            "risk-sk-1",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
