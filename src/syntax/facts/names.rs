//! Names and types in a normal form.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

/// A path as one name: folded, without quotes, without the schema `pg_catalog`. The schema `public`
/// stays: without it, a name means what the search path says.
fn path_name(path: &SyntaxNode) -> String {
    let segments = path.descendants().filter(|node| {
        ast::PathSegment::can_cast(node.kind()) || ast::PathSegmentRef::can_cast(node.kind())
    });
    let mut words: Vec<String> = segments
        .map(|segment| ast::normalize_name_node(&segment))
        .collect();
    if words.len() > 1 && words[0] == "pg_catalog" {
        words.remove(0);
    }
    words.join(".")
}

/// A name without the schema `public`: what files mean by it where no database is asked.
pub(crate) fn without_public(name: &str) -> &str {
    name.strip_prefix("public.").unwrap_or(name)
}

fn is_path(node: &SyntaxNode) -> bool {
    ast::Path::can_cast(node.kind()) || ast::PathRef::can_cast(node.kind())
}

/// The first name below a node; a schema has no path.
pub(super) fn first(node: &SyntaxNode) -> String {
    node.descendants().find(is_path).map_or_else(
        || ast::normalize_name_node(&node.last_child().unwrap_or_else(|| node.clone())),
        |path| path_name(&path),
    )
}

/// All names below a node that are not part of another name.
pub(crate) fn all(node: &SyntaxNode) -> Vec<String> {
    let outermost =
        |node: &SyntaxNode| is_path(node) && !node.parent().is_some_and(|p| is_path(&p));
    let paths = node.descendants().filter(outermost);
    paths.map(|path| path_name(&path)).collect()
}

/// The names of the nodes of one kind.
pub(crate) fn named<N: AstNode>(node: &SyntaxNode) -> Vec<String> {
    let nodes = node.descendants().filter_map(N::cast);
    nodes.map(|node| first(node.syntax())).collect()
}

/// The text of a type: lower case, without comments, one space between words, none elsewhere.
pub(crate) fn words(node: &SyntaxNode) -> String {
    let mut text = String::new();
    let tokens = node
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for token in tokens {
        let token = token.text().to_lowercase();
        if text.ends_with(is_word) && token.starts_with(is_word) {
            text.push(' ');
        }
        text.push_str(&token);
    }
    text.strip_prefix("pg_catalog.").unwrap_or(&text).to_owned()
}
