//! What is there under another name, and what differs for no other reason than that.

use std::collections::BTreeMap;

use super::compare::Change;
use super::object::{Catalogue, Kind, Object};
use super::sequence::draws_from;

/// Pairs of what should be there and what is.
pub(super) struct Renamed<'a> {
    pub pairs: Vec<(&'a Object, &'a Object)>,
}

impl<'a> Renamed<'a> {
    /// Pairs of a missing and an extra part of one table that differ in the name only, and of
    /// sequences that are behind one column. Columns and sequences are paired only where there is
    /// no doubt: the alternative would be to discard one, with the rows or with the highest id that
    /// was given out.
    pub fn take(
        missing: &mut Vec<&'a Object>,
        extra: &mut Vec<&'a Object>,
        (expected, actual): (&Catalogue, &Catalogue),
    ) -> Self {
        let mut renamed = Self { pairs: Vec::new() };
        renamed.pair(missing, extra, |_, one, other| {
            (one.kind, other.kind) == (Kind::Column, Kind::Column)
                && one.table == other.table
                && traits(one, expected) == traits(other, actual)
        });
        renamed.pair(missing, extra, |renamed, one, other| {
            let alike = |names: &[&str]| {
                let same = |name: &&str| {
                    one.get(name).map(str::to_owned) == renamed.as_expected(other, name)
                };
                names.iter().all(same)
            };
            (one.kind, &one.table) == (other.kind, &other.table)
                && match one.kind {
                    Kind::Sequence => {
                        (one.get("owned by").or(one.get("identity of"))).is_some()
                            && alike(&["owned by", "identity of"])
                    }
                    Kind::Constraint | Kind::Index => alike(&["definition", "unique"]),
                    _ => false,
                }
        });
        renamed
    }

    fn pair(
        &mut self,
        missing: &mut Vec<&'a Object>,
        extra: &mut Vec<&'a Object>,
        same: impl Fn(&Self, &Object, &Object) -> bool,
    ) {
        let mut pairs = Vec::new();
        let (wanted, held) = (missing.clone(), extra.clone());
        missing.retain(|object| {
            let Some(at) = extra.iter().position(|other| same(self, object, other)) else {
                return true;
            };
            let other = extra[at];
            let rivals = wanted.iter().filter(|one| same(self, one, other)).count()
                + held.iter().filter(|one| same(self, object, one)).count();
            if matches!(object.kind, Kind::Column | Kind::Sequence) && rivals > 2 {
                return true;
            }
            pairs.push((*object, extra.remove(at)));
            false
        });
        self.pairs.extend(pairs);
    }

    /// Whether a change goes when what is renamed gets its name back.
    pub fn explains(&self, actual: &Object, change: &Change) -> bool {
        change.expected.is_some() && self.as_expected(actual, &change.property) == change.expected
    }

    /// A property of what is there, once all names are what they should be.
    fn as_expected(&self, actual: &Object, property: &str) -> Option<String> {
        let mut text = actual.get(property)?.to_owned();
        for (wanted, held) in &self.pairs {
            match (actual.kind, property, held.kind) {
                (Kind::Constraint | Kind::Index, "definition", Kind::Column)
                    if held.table == actual.table =>
                {
                    text = with_word(&text, &held.name, &wanted.name);
                }
                (Kind::Sequence, "owned by" | "identity of", Kind::Column)
                    if text == held.label() =>
                {
                    return Some(wanted.label());
                }
                (Kind::Column, "default", Kind::Sequence) if text == draws_from(held) => {
                    return Some(draws_from(wanted));
                }
                _ => {}
            }
        }
        Some(text)
    }
}

/// The properties of a column. What a column draws from a sequence of its own is the same under
/// every name of that.
fn traits(column: &Object, catalogue: &Catalogue) -> BTreeMap<String, String> {
    let mut traits = column.properties.clone();
    let label = column.label();
    let is_own = |object: &Object| {
        object.get("owned by") == Some(&label) && column.get("default") == Some(&draws_from(object))
    };
    if catalogue.iter().any(is_own) {
        traits.insert("default".to_owned(), "its own sequence".to_owned());
    }
    traits
}

/// A text with another word in the place of one.
fn with_word(text: &str, from: &str, to: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "_$\"".contains(c);
    let mut made = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices(from) {
        let (before, after) = (&text[..at], &text[at + from.len()..]);
        if !before.ends_with(is_part) && !after.starts_with(is_part) {
            made += &text[done..at];
            made += to;
            done = at + from.len();
        }
    }
    made + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::with_word;

    #[test]
    fn only_whole_names_are_replaced() {
        let text = "CHECK ((id > ids) AND (\"id\" <> 'x'::text) AND (id_ = id))";
        let made = "CHECK ((no > ids) AND (\"id\" <> 'x'::text) AND (id_ = no))";
        assert_eq!(with_word(text, "id", "no"), made);
    }
}
