//! Which differences from the migrations forbid to adopt a database, and which do not.
//!
//! The measure: whatever the migrations' schema accepts and promises, the live one must accept and
//! promise, and later migrations must find what they change under its name. More than that is
//! harmless: an index, a column that may be left out, a wider type, a table of somebody else.

use super::types;
use crate::catalogue::{Catalogue, Change, Difference, Kind, Nature, Object};

/// Blocking or harmless, and why.
pub(super) type Verdict = (bool, &'static str);

const fn blocking(because: &'static str) -> Verdict {
    (true, because)
}

const fn harmless(because: &'static str) -> Verdict {
    (false, because)
}

/// Judges a difference: blocking when any of its traits is, with the reasons. `later` tells whether
/// a later migration makes the object.
pub(super) fn judge(
    difference: &Difference,
    expected: &Catalogue,
    later: impl Fn(&Object) -> bool,
) -> (bool, String) {
    let verdicts = match (difference.nature, &difference.expected, &difference.actual) {
        (Nature::Missing, Some(object), _) => vec![missing(object)],
        (Nature::Extra, _, Some(object)) if later(object) => vec![LATER],
        (Nature::Extra, _, Some(object)) => vec![extra(object, expected)],
        (_, Some(object), Some(actual)) => difference
            .changes
            .iter()
            .map(|change| different(object, actual, change, expected))
            .collect(),
        _ => vec![UNKNOWN],
    };
    let blocks = verdicts.iter().any(|(blocks, _)| *blocks);
    let mut reasons: Vec<&str> = Vec::new();
    for (_, because) in verdicts
        .into_iter()
        .filter(|(blocking, _)| *blocking == blocks)
    {
        if !reasons.contains(&because) {
            reasons.push(because);
        }
    }
    (blocks, reasons.join("; "))
}

/// A sign that the database is at a later version.
pub(super) const LATER: Verdict = blocking("a later migration makes it, and would fail");

const UNKNOWN: Verdict = blocking("no rule says that this is harmless");

fn missing(object: &Object) -> Verdict {
    blocking(match object.kind {
        Kind::Column => "the functions and the gateway use the column",
        Kind::Constraint => "rows could be written that the schema excludes",
        Kind::Index => "queries need it, and later migrations expect it",
        Kind::Function => "the gateway calls it",
        Kind::Sequence => "ids come from it",
        _ => "the migrations make it, and later ones expect it",
    })
}

fn extra(object: &Object, expected: &Catalogue) -> Verdict {
    let is = |property, value| object.get(property) == Some(value);
    match object.kind {
        Kind::Index if is_taken(object, expected) => {
            blocking("a constraint of ours needs its name")
        }
        Kind::Index if is("unique", "yes") => blocking("it rejects rows that the schema allows"),
        Kind::Index => harmless("an extra index changes no result"),
        Kind::Constraint => blocking("it may reject rows that the schema allows"),
        Kind::Column => {
            let filled = ["default", "generated", "identity"];
            let can_be_left_out = object.get("not null").is_none()
                || filled.iter().any(|property| object.get(property).is_some());
            if can_be_left_out {
                harmless("an extra column that may be left out")
            } else {
                blocking("inserts that do not know the column would fail")
            }
        }
        Kind::Function if is_overload(object, expected) => {
            blocking("calls of the function of the same name could become ambiguous")
        }
        Kind::Trigger | Kind::Rule => blocking("it may change what a write does"),
        Kind::Policy => blocking("it may hide rows"),
        Kind::Table if parents(object, expected).next().is_some() => {
            blocking("its rows appear in queries of a table of ours")
        }
        _ => harmless("not one of ours, and in nobody's way"),
    }
}

/// The expected tables that a table inherits from.
pub(super) fn parents<'a>(
    table: &'a Object,
    expected: &'a Catalogue,
) -> impl Iterator<Item = &'a str> {
    let is_table = |name: &str| {
        let key = (Kind::Table, String::new(), name.to_owned());
        expected.get(&key).is_some()
    };
    let inherits = table.get("inherits").unwrap_or_default();
    inherits.split(", ").filter(move |name| is_table(name))
}

/// Whether an index has the name that the index of an expected constraint has.
fn is_taken(index: &Object, expected: &Catalogue) -> bool {
    let tables = |object: &&Object| object.kind == Kind::Constraint && has_index(object);
    let name = |object: &Object| {
        let schema = object.table.as_deref()?.split_once('.')?.0;
        Some(format!("{schema}.{}", object.name))
    };
    expected
        .iter()
        .filter(tables)
        .any(|constraint| name(constraint).as_ref() == Some(&index.name))
}

fn has_index(constraint: &Object) -> bool {
    let definition = constraint.get("definition").unwrap_or_default();
    ["PRIMARY KEY", "UNIQUE", "EXCLUDE"]
        .iter()
        .any(|kind| definition.starts_with(kind))
}

fn is_overload(object: &Object, expected: &Catalogue) -> bool {
    let base = |name: &str| name.split('(').next().map(str::to_owned);
    expected
        .iter()
        .any(|other| other.kind == Kind::Function && base(&other.name) == base(&object.name))
}

fn different(
    expected: &Object,
    actual: &Object,
    change: &Change,
    catalogue: &Catalogue,
) -> Verdict {
    let property = change.property.as_str();
    match property {
        "comment" => return harmless("a comment"),
        "name" => return blocking("later migrations and reports know it by its name"),
        "owner" => return blocking("one role must own everything, to be able to migrate it"),
        _ => {}
    }
    if let Some(grantee) = property.strip_prefix("grants to ") {
        return grants(grantee, change, catalogue);
    }
    match expected.kind {
        Kind::Column => column(expected, actual, change),
        Kind::Table => match property {
            "options" => harmless("a storage option"),
            "replica identity" => harmless("it concerns replication only"),
            "row security" => blocking("it may hide rows"),
            "persistence" => blocking("an unlogged table is empty after a crash"),
            _ => blocking("another kind of table"),
        },
        Kind::Sequence => match property {
            "start" => harmless("where a sequence once began"),
            "owned by" => harmless("it matters only when the column is dropped"),
            "cache" => blocking("sessions that keep ids use low ones late, so ids show no order"),
            "type" | "maximum" => blocking("its ids may run out, or not fit the column"),
            _ => blocking("its ids come in another order"),
        },
        Kind::Function => match property {
            "cost" | "rows" => harmless("an estimate of the planner"),
            "body" | "sql body" => blocking("it does something else"),
            "arguments" | "result" => blocking("it is called in another way"),
            "security" | "settings" => blocking("it runs as another role, or finds other objects"),
            _ => blocking("another kind of function"),
        },
        Kind::Constraint => match property {
            "triggers" => blocking("its triggers are disabled, so that it checks no row"),
            "valid" | "enforced" | "index valid" => blocking("it proves nothing about old rows"),
            _ if is_key(expected) => blocking("another key"),
            _ => blocking("it checks something else"),
        },
        Kind::Index => match property {
            "valid" => blocking("no query uses an invalid index"),
            _ => blocking("it serves other queries"),
        },
        Kind::Trigger => blocking("it acts in another way, or not at all"),
        _ => UNKNOWN,
    }
}

fn is_key(object: &Object) -> bool {
    let definition = object.get("definition").unwrap_or_default();
    ["PRIMARY KEY", "UNIQUE", "FOREIGN KEY"]
        .iter()
        .any(|kind| definition.starts_with(kind))
}

/// What a deployment grants to its roles is its own business; what the migrations grant is not.
fn grants(grantee: &str, change: &Change, catalogue: &Catalogue) -> Verdict {
    let list = |list: &Option<String>| -> Vec<String> {
        list.iter()
            .flat_map(|l| l.split(", "))
            .map(str::to_owned)
            .collect()
    };
    let (wanted, held) = (list(&change.expected), list(&change.actual));
    let lost = wanted.iter().any(|privilege| !held.contains(privilege));
    match grantee {
        "OWNER" => blocking("the owner lacks a privilege, or has one that was taken on purpose"),
        "PUBLIC" if lost => harmless("everybody may do less: see that the gateway still may"),
        "PUBLIC" => harmless("everybody may do more: revoke what is not needed"),
        role if super::super::drift::roles(catalogue).contains(role) => {
            blocking("the migrations decide what this role may do")
        }
        _ => harmless("a grant to a role of the deployment"),
    }
}

fn column(expected: &Object, actual: &Object, change: &Change) -> Verdict {
    match change.property.as_str() {
        "type" => types::compare(
            expected.get("type").unwrap_or_default(),
            actual.get("type").unwrap_or_default(),
        ),
        "not null" if expected.get("not null").is_some() => {
            blocking("rows could lack a value that the schema requires")
        }
        "not null" => blocking("it rejects rows that the schema allows"),
        "default" if expected.get("default").is_none() => {
            blocking("a writer that forgets the value must fail")
        }
        "default" => blocking("rows would get another value, or none"),
        "collation" => blocking("texts compare and sort in another way"),
        _ => blocking("its values come from elsewhere"),
    }
}
