//! Text from a database or a file as a person may see it, on a terminal and in the log of a job.

/// Without control characters, which could move the cursor or forge a line of a report, and without
/// those that make a line read otherwise than it is: they are shown by their codes.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns_or_breaks(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// The same for a text whose line ends and tabs are meant.
#[must_use]
pub fn plain_lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(plain).collect::<Vec<_>>().join("\t");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Marks, embeddings, overrides and isolates of the direction of writing; separators of lines.
fn turns_or_breaks(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_by_its_code() {
        for (text, shown) in [
            ("a\u{1b}[2J\x7f\u{9b}b", r"a\u{1b}[2J\u{7f}\u{9b}b"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{202e}a\u{2066}b\u{2069}", r"\u{202e}a\u{2066}b\u{2069}"),
            ("\u{200e}\u{200f}\u{2028}", r"\u{200e}\u{200f}\u{2028}"),
            ("grüße 你好", "grüße 你好"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(plain_lines("\ta\x07\r\nb\n"), "\ta\\u{7}\nb");
    }
}
