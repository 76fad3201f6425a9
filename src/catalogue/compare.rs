//! What tells two catalogues apart, object by object.

use std::collections::{BTreeMap, BTreeSet};

use super::object::{Catalogue, Kind, Object};
use super::renamed::Renamed;
pub use crate::report::{Nature, SchemaChange as Change};

/// An object that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// In which way.
    pub nature: Nature,
    /// The object as it should be; none when it is extra.
    pub expected: Option<Object>,
    /// The object as it is; none when it is missing.
    pub actual: Option<Object>,
    /// Why they are not the same; empty for whole objects.
    pub changes: Vec<Change>,
}

impl Difference {
    /// The object, as it should be where it should be.
    pub fn object(&self) -> Option<&Object> {
        self.expected.as_ref().or(self.actual.as_ref())
    }
}

/// The differences, those that are to be taken away first, then in the order in which objects are
/// made, and last what changed objects may still use until then. What belongs to a table that is
/// missing or extra is not told beside it. `owner` is who should own everything; without one,
/// owners are not compared.
pub fn compare(expected: &Catalogue, actual: &Catalogue, owner: Option<&str>) -> Vec<Difference> {
    let mut missing: Vec<&Object> = expected
        .iter()
        .filter(|object| actual.get(&object.key()).is_none())
        .collect();
    let mut extra: Vec<&Object> = actual
        .iter()
        // A schema or an extension more is the business of whoever has put it there.
        .filter(|object| !matches!(object.kind, Kind::Schema | Kind::Extension))
        .filter(|object| expected.get(&object.key()).is_none())
        .collect();
    let renamed = Renamed::take(&mut missing, &mut extra, (expected, actual));
    let absent = wholes(&missing);
    let surplus = wholes(&extra);
    missing.retain(|object| !is_part(object, &absent));
    extra.retain(|object| !is_part(object, &surplus));

    let whole = |nature, expected: Option<&Object>, actual: Option<&Object>| Difference {
        nature,
        expected: expected.cloned(),
        actual: actual.cloned(),
        changes: Vec::new(),
    };
    extra.sort_by_key(|object| std::cmp::Reverse(order(object)));
    // A table is made with a type of its name.
    let in_the_way = |object: &Object| {
        let same = |other: &&Object| other.kind != Kind::Function && other.name == object.name;
        object.kind == Kind::Type && missing.iter().any(same)
    };
    let (used, unused): (Vec<&Object>, Vec<&Object>) = extra
        .into_iter()
        .partition(|object| is_for_others(object.kind) && !in_the_way(object));
    let surplus = |object: &&Object| whole(Nature::Extra, None, Some(object));
    let mut found: Vec<Difference> = unused.iter().map(surplus).collect();
    let mut rest: Vec<Difference> = missing
        .iter()
        .map(|object| whole(Nature::Missing, Some(object), None))
        .collect();
    let pairs = expected
        .iter()
        .filter_map(|object| Some((object, actual.get(&object.key())?)))
        .chain(renamed.pairs.iter().copied());
    for (object, actual) in pairs {
        let mut changes = changes(object, actual, owner);
        changes.retain(|change| !renamed.explains(actual, change));
        if !changes.is_empty() {
            rest.push(Difference {
                changes,
                ..whole(Nature::Different, Some(object), Some(actual))
            });
        }
    }
    rest.sort_by_key(|difference| {
        let (kind, rank, label) = difference.object().map(order)?;
        // While a column is computed from others, their types cannot change.
        let computed =
            |change: &Change| change.property == "generated" && change.expected.is_none();
        let rank = if difference.changes.iter().any(computed) {
            0
        } else {
            rank
        };
        Some((kind, rank, label))
    });
    found.extend(rest);
    found.extend(used.iter().map(surplus));
    found
}

/// Whether columns, defaults, checks, triggers and views use such objects: somebody may have made
/// do so those that should be there. Sequences are set free by their own SQL.
fn is_for_others(kind: Kind) -> bool {
    matches!(kind, Kind::Type | Kind::Function)
}

/// Keys before checks before foreign keys, which need the keys.
fn order(object: &Object) -> (Kind, u8, String) {
    let rank = match object.get("definition") {
        Some(text) if text.starts_with("PRIMARY KEY") || text.starts_with("UNIQUE") => 0,
        Some(text) if text.starts_with("FOREIGN KEY") => 2,
        _ => 1,
    };
    (object.kind, rank, object.label())
}

/// The tables, views and columns among objects, by full name.
fn wholes(objects: &[&Object]) -> BTreeSet<String> {
    objects
        .iter()
        .filter(|object| matches!(object.kind, Kind::Table | Kind::View | Kind::Column))
        .map(|object| object.label())
        .collect()
}

/// Whether an object comes and goes with one of these.
fn is_part(object: &Object, wholes: &BTreeSet<String>) -> bool {
    let holder = object.get("owned by").or(object.get("identity of"));
    let of_holder = holder.is_some_and(|column| {
        let table = column.rsplit_once('.').map_or(column, |(table, _)| table);
        wholes.contains(column) || wholes.contains(table)
    });
    of_holder
        || object
            .table
            .as_ref()
            .is_some_and(|table| wholes.contains(table))
}

fn changes(expected: &Object, actual: &Object, owner: Option<&str>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |property: &str, expected: Option<&str>, actual: Option<&str>| {
        if expected != actual {
            changes.push(Change {
                property: property.to_owned(),
                expected: expected.map(str::to_owned),
                actual: actual.map(str::to_owned),
            });
        }
    };
    add("name", Some(&expected.name), Some(&actual.name));
    for property in keys(&expected.properties, &actual.properties) {
        let (wanted, found) = (expected.get(property), actual.get(property));
        if expected.kind != Kind::View || !says_the_same(wanted, found) {
            add(property, wanted, found);
        }
    }
    if let (Some(owner), Some(found)) = (owner, &actual.owner) {
        add("owner", Some(owner), Some(found));
    }
    for grantee in keys(&expected.grants, &actual.grants) {
        let list = |object: &Object| {
            let held = object.grants.get(grantee)?;
            Some(held.iter().cloned().collect::<Vec<_>>().join(", "))
        };
        add(
            &format!("grants to {grantee}"),
            list(expected).as_deref(),
            list(actual).as_deref(),
        );
    }
    add(
        "comment",
        expected.comment.as_deref(),
        actual.comment.as_deref(),
    );
    changes
}

/// Whether the queries of two views differ only in one qualifier, as in `t.a` and `a`: up to
/// PostgreSQL 15 the server prints it where there is one table, since 16 it does not.
fn says_the_same(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"';
    let qualifiers: BTreeSet<&str> = one
        .split(|c| c != '.' && !is_word(c))
        .chain(other.split(|c| c != '.' && !is_word(c)))
        .filter_map(|name| name.split_once('.'))
        .map(|(qualifier, _)| qualifier)
        .collect();
    let without = |text: &str, qualifier: &str| -> Vec<String> {
        text.split(|c: char| c.is_whitespace() || c == '(')
            .map(|word| {
                let bare = word
                    .strip_prefix(qualifier)
                    .and_then(|w| w.strip_prefix('.'));
                bare.unwrap_or(word).to_owned()
            })
            .collect()
    };
    qualifiers
        .iter()
        .any(|qualifier| without(one, qualifier) == without(other, qualifier))
}

fn keys<'a, T>(
    one: &'a BTreeMap<String, T>,
    other: &'a BTreeMap<String, T>,
) -> BTreeSet<&'a String> {
    one.keys().chain(other.keys()).collect()
}

#[cfg(test)]
mod tests {
    use super::says_the_same;

    #[test]
    fn one_qualifier_more_or_less_makes_no_other_view() {
        let same = |one, other| says_the_same(Some(one), Some(other));
        assert!(same(
            " SELECT t.a,\n    max(t.b) AS b\n   FROM public.t\n  WHERE (t.c > (t.d + 1))",
            " SELECT a,\n    max(b) AS b\n   FROM public.t\n  WHERE (c > (d + 1))",
        ));
        assert!(!same("SELECT t.a FROM t", "SELECT b FROM t"));
        assert!(!same("SELECT t.a FROM t, u", "SELECT u.a FROM t, u"));
        assert!(!same("SELECT a FROM t", "SELECT a FROM u"));
    }
}
