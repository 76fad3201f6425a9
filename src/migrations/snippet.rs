//! Shows the place of an error in a file: path, line, column, the line itself, a caret.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Renders the place of an error. `statement` is the byte range that was sent, `position` the
/// server's 1-based character in it; without one the statement's first line is shown.
pub(super) fn render(
    path: &str,
    text: &str,
    statement: &Range<usize>,
    position: Option<u32>,
) -> String {
    let span = span(text, statement, position);
    let snippet = Snippet::source(text)
        .path(path)
        .annotation(AnnotationKind::Primary.span(span));
    let group = Group::with_level(Level::ERROR).element(snippet);
    Renderer::styled().render(&[group]).trim_end().to_owned()
}

fn span(text: &str, statement: &Range<usize>, position: Option<u32>) -> Range<usize> {
    let sent = &text[statement.clone()];
    let Some(position) = position else {
        let first_line = sent.lines().next().unwrap_or_default();
        return statement.start..statement.start + first_line.trim_end().len();
    };
    let skipped = usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX);
    let offset = sent
        .char_indices()
        .nth(skipped)
        .map_or(sent.len(), |(at, _)| at);
    // The server points at the first character of a word or an operator.
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let word: usize = sent[offset..]
        .chars()
        .take_while(|c| is_word(*c))
        .map(char::len_utf8)
        .sum();
    let length = word.max(sent[offset..].chars().next().map_or(0, char::len_utf8));
    statement.start + offset..statement.start + offset + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_word_even_after_wide_characters() {
        let text = "SELECT 'ü';\nSELECT 'é', missing;";
        let start = text.find("SELECT 'é'").unwrap_or_default();
        let span = span(text, &(start..text.len()), Some(13));
        assert_eq!(&text[span], "missing");
    }

    #[test]
    fn without_a_position_the_first_line_of_the_statement_is_marked() {
        let text = "SELECT 1;\nINSERT INTO t\nVALUES (1);";
        assert_eq!(&text[span(text, &(10..text.len()), None)], "INSERT INTO t");
    }

    #[test]
    fn shows_file_line_column_and_caret() {
        let text = "SELECT 1;\nSELECT missing;";
        let shown = render("V2__x.sql", text, &(10..text.len()), Some(8));
        let plain = anstream::adapter::strip_str(&shown).to_string();
        assert!(plain.contains("V2__x.sql:2:8"), "{plain}");
        assert!(plain.contains("2 | SELECT missing;"), "{plain}");
        assert!(plain.contains("|        ^^^^^^^"), "{plain}");
    }
}
