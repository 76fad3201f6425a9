//! Text from a database or a file as a person may see it, on a terminal and in the log of a job.

/// Without control characters, which could move the cursor or forge a line of a report, and without
/// those that make a line read otherwise than it is: they are shown by their codes.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns_or_breaks(c) {
            plain.extend(c.escape_default());
        } else if c == '[' && begins_command(&plain) {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// The same for a text that begins a line, where GitHub Actions takes `::` for a command.
#[must_use]
pub fn plain_line(text: &str) -> String {
    without_command(plain(text))
}

/// The same for a text whose line ends and tabs are meant.
#[must_use]
pub fn plain_lines(text: &str) -> String {
    let lines = tabbed_lines(text).map(without_command);
    lines.collect::<Vec<_>>().join("\n")
}

/// The same for one that gets something in front of each line, so that no line of it begins one of
/// the output.
#[must_use]
pub fn plain_inset(text: &str) -> String {
    tabbed_lines(text).collect::<Vec<_>>().join("\n")
}

fn tabbed_lines(text: &str) -> impl Iterator<Item = String> {
    let line = |line: &str| line.split('\t').map(plain).collect::<Vec<_>>().join("\t");
    text.lines().map(line)
}

fn without_command(mut line: String) -> String {
    let start = line.len() - line.trim_start().len();
    if line[start..].starts_with("::") {
        line.replace_range(start..=start, r"\u{3a}");
    }
    line
}

/// Whether a `[` behind it would make a command for whoever runs the job, wherever it stands in a
/// line: `##[error]` of GitHub Actions, `##vso[task.complete]` of Azure Pipelines.
fn begins_command(before: &str) -> bool {
    let marks = before.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    marks.ends_with("##")
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
            ("a ##[error]b ##vso[x]", r"a ##\u{5b}error]b ##vso\u{5b}x]"),
            ("## [1] #[a] ::x", "## [1] #[a] ::x"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(plain_lines("\ta\x07\r\nb\n"), "\ta\\u{7}\nb");
        assert_eq!(plain_lines("a::b\n\t ::c::d"), "a::b\n\t \\u{3a}:c::d");
        assert_eq!(plain_inset("a\x07\n\t::c"), "a\\u{7}\n\t::c");
        assert_eq!(plain_line("::a::b"), r"\u{3a}:a::b");
    }
}
