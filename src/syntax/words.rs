//! Texts of statements in other forms: without literals for people to read, without comments and
//! white space to be compared.

use sha2::{Digest, Sha256};
use squawk_lexer::TokenKind;
use squawk_syntax::{SourceFile, SyntaxKind};

/// A statement on one line, with each literal replaced by `?`: somebody else's query is shown in
/// logs of deployments, and its literals may be secrets. Comments go, too.
pub(crate) fn without_literals(sql: &str) -> String {
    let mut words = String::new();
    for (kind, text) in tokens(sql) {
        let word = if is_literal(kind) { "?" } else { &text };
        // An error token may be the rest of a literal that was cut off.
        if kind == SyntaxKind::ERROR {
            words.push_str(" …");
            break;
        }
        let tight = [",", ";", ")", ".", "("].contains(&word) || words.ends_with(['(', '.']);
        if !words.is_empty() && !tight {
            words.push(' ');
        }
        words.push_str(word);
    }
    words
}

/// SQL text, or a part of such, whose comments and string literals are blank; what is left keeps
/// its place in bytes.
pub(crate) fn blanked(sql: &str) -> String {
    let mut code = String::with_capacity(sql.len());
    for token in squawk_lexer::tokenize(sql) {
        let end = code.len() + token.len as usize;
        let is_blank = matches!(
            token.kind,
            TokenKind::Literal { .. } | TokenKind::LineComment | TokenKind::BlockComment { .. }
        );
        if is_blank {
            code.extend(std::iter::repeat_n(' ', token.len as usize));
        } else {
            code.push_str(&sql[code.len()..end]);
        }
    }
    code
}

/// A digest that stays the same when comments and white space change, and nothing else.
pub(crate) fn digest(sql: &str) -> String {
    let mut hash = Sha256::new();
    for (_, text) in tokens(sql) {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hexadecimal(&hash.finalize())
}

/// A hash in hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All tokens but comments and white space.
fn tokens(sql: &str) -> Vec<(SyntaxKind, String)> {
    SourceFile::parse(sql)
        .syntax_node()
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia())
        .map(|token| (token.kind(), token.text().to_owned()))
        .collect()
}

fn is_literal(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::STRING
            | SyntaxKind::ESC_STRING
            | SyntaxKind::BIT_STRING
            | SyntaxKind::BYTE_STRING
            | SyntaxKind::UNICODE_ESC_STRING
            | SyntaxKind::NATIONAL_STRING
            | SyntaxKind::DOLLAR_QUOTED_STRING
            | SyntaxKind::INT_NUMBER
            | SyntaxKind::NUMERIC_NUMBER
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_not_shown() {
        let sql = "SELECT a.b, f('it''s', E'\\'x', $$y$$, 1.5e3) -- secret\n FROM t WHERE k = 42";
        assert_eq!(
            without_literals(sql),
            "SELECT a.b, f(?, ?, ?, ?) FROM t WHERE k = ?"
        );
    }

    #[test]
    fn blanks_take_the_place_of_literals_and_comments() {
        let sql = "a E'it\\'s' /* x /* y */ z */ b $q$ é $q$ \"it's\" 'c''d' -- e\n'f";
        let blank = |from: &str| " ".repeat(from.len());
        let expected = [
            "a ",
            &blank("E'it\\'s' /* x /* y */ z */"),
            " b ",
            &blank("$q$ é $q$"),
            " \"it's\" ",
            &blank("'c''d' -- e"),
            "\n",
            &blank("'f"),
        ];
        assert_eq!(blanked(sql), expected.concat());
    }

    #[test]
    fn a_literal_that_was_cut_off_is_not_shown_either() {
        for sql in [
            "SELECT 'geheim",
            "SELECT $$geheim",
            "SELECT E'geheim",
            "SELECT 1 /* geheim",
        ] {
            let shown = without_literals(sql);
            assert!(!shown.contains("geheim"), "{shown}");
        }
    }

    #[test]
    fn only_comments_and_white_space_leave_the_digest_alone() {
        let text = "-- a\nSELECT 1,\n  'x  y';";
        assert_eq!(digest(text), digest("SELECT 1, /* b */ 'x  y' ;"));
        for other in ["SELECT 1, 'x y';", "SELECT 1 'x  y';", "SELECT 11, 'x  y';"] {
            assert_ne!(digest(text), digest(other), "{other}");
        }
    }
}
