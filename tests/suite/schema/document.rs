//! Reads the quick reference: its code blocks and the statements in them. What they have to return
//! is not here.

use regex::Regex;
use squawk_syntax::SourceFile;
use squawk_syntax::ast::{AstNode, Stmt};

/// The document, byte for byte as its owner wrote it.
pub const TEXT: &str = include_str!("../../fixtures/quick-reference.md");

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// The nearest heading above it.
    pub title: &'static str,
    /// What follows the opening fence; empty for plain text.
    pub language: &'static str,
    /// Everything between the fences.
    pub text: String,
}

/// All blocks, in order.
pub fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut title, mut open) = ("", false);
    for line in TEXT.lines() {
        if let Some(language) = line.strip_prefix("```") {
            if !open {
                let text = String::new();
                blocks.push(Block {
                    title,
                    language,
                    text,
                });
            }
            open = !open;
        } else if open {
            let text = &mut blocks.last_mut().unwrap().text;
            text.push_str(line);
            text.push('\n');
        } else if line.starts_with("##") {
            title = line.trim_start_matches('#').trim();
        }
    }
    assert!(!open, "a block of the document does not end");
    blocks
}

/// The blocks of a language.
pub fn blocks_in(language: &str) -> Vec<Block> {
    let mut blocks = blocks();
    blocks.retain(|block| block.language == language);
    blocks
}

/// The text block below a heading.
pub fn printed(title: &str) -> String {
    let block = blocks_in("").into_iter().find(|block| block.title == title);
    block.unwrap_or_else(|| panic!("no block {title:?}")).text
}

/// The lines of a section that belong to no block.
pub fn section(title: &str) -> &'static str {
    let start = TEXT.find(&format!("## {title}\n")).unwrap();
    TEXT[start..].split("\n---\n").next().unwrap()
}

/// The statements of a block, comments between them included: what a person pastes into psql, one
/// after another.
pub fn statements(sql: &str) -> Vec<&str> {
    let parse = SourceFile::parse(sql);
    assert!(parse.errors().is_empty(), "{:?} in {sql}", parse.errors());
    let mut from = 0;
    let ends = parse
        .tree()
        .stmts()
        .filter(|s| !matches!(s, Stmt::EmptyStmt(_)));
    let ends: Vec<usize> = ends.map(|s| s.syntax().text_range().end().into()).collect();
    let found = ends
        .into_iter()
        .map(|end| &sql[std::mem::replace(&mut from, end)..end]);
    found.collect()
}

/// What the shell snippets hand to `psql -c`.
pub fn statements_of_shell() -> Vec<String> {
    inside(&blocks_in("bash"), r#"-c "([^"]+)""#)
}

/// What the Python snippets hand to the server: the strings that begin with a verb.
pub fn statements_of_python() -> Vec<String> {
    inside(
        &blocks_in("python"),
        r#""((?:SELECT|INSERT|UPDATE|DELETE) [^"]+)""#,
    )
}

fn inside(blocks: &[Block], pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let found = blocks
        .iter()
        .flat_map(|block| pattern.captures_iter(&block.text).map(|c| c[1].to_owned()));
    found.collect()
}

#[test]
fn the_reader_finds_every_block() {
    let fences = TEXT.lines().filter(|line| line.starts_with("```")).count();
    assert_eq!(blocks().len() * 2, fences);
    assert_eq!(blocks_in("sql").len(), 18);
    assert_eq!(TEXT.matches("```sql").count(), 18);
    assert_eq!((blocks_in("bash").len(), blocks_in("python").len()), (1, 1));
    let count: usize = blocks_in("sql")
        .iter()
        .map(|b| statements(&b.text).len())
        .sum();
    // As many as semicolons: no string or comment of the document contains one.
    let ends: usize = blocks_in("sql")
        .iter()
        .map(|b| b.text.matches(';').count())
        .sum();
    assert_eq!((count, ends), (23, 23));
    assert_eq!(
        (statements_of_shell().len(), statements_of_python().len()),
        (2, 1)
    );
}
