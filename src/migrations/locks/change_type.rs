//! Whether a column gets another type without its values being touched.

use super::world::World;

/// What a change of a type costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Same type, or only a wider limit: values and indexes stay.
    Nothing,
    /// The values stay, but indexes on the column may order them otherwise.
    Relabel,
    /// Each row is written again.
    Rewrite,
}

/// A type in the words of the catalogue, and the numbers in parentheses.
fn normal(ty: &str) -> (String, Vec<i64>) {
    let ty = ty.to_lowercase();
    let (head, rest) = ty.split_once('(').unwrap_or((&ty, ""));
    let (numbers, tail) = rest.split_once(')').unwrap_or((rest, ""));
    let name = format!("{} {}", head.trim(), tail.trim());
    let arguments = numbers
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let name = match name.trim() {
        "varchar" => "character varying",
        "char" | "bpchar" => "character",
        "decimal" | "dec" => "numeric",
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        "timetz" => "time with time zone",
        "time" => "time without time zone",
        "varbit" => "bit varying",
        "float8" | "float" => "double precision",
        "float4" => "real",
        "bool" => "boolean",
        other => other,
    };
    (name.to_owned(), arguments)
}

pub(super) fn between(world: &World, old: &str, new: &str) -> Change {
    // Values of a domain are those of its base; a new domain that checks them reads them all, and
    // the server does so by writing them again.
    if world.is_constrained_domain(new) {
        return Change::Rewrite;
    }
    let base = |ty: &str| {
        world
            .domain(ty)
            .map_or_else(|| ty.to_owned(), |d| d.base.clone())
    };
    let (from, old_limit) = normal(&base(old));
    let (to, new_limit) = normal(&base(new));
    if from == to {
        return if fits(&from, &old_limit, &new_limit) {
            Change::Nothing
        } else {
            Change::Rewrite
        };
    }
    match (from.as_str(), to.as_str()) {
        // Both order by the same operators, so that even an index can stay.
        ("character varying", "text") => Change::Nothing,
        ("text", "character varying") if new_limit.is_empty() => Change::Nothing,
        ("cidr", "inet") => Change::Relabel,
        ("xml", "text") => Change::Relabel,
        ("xml", "character varying") if new_limit.is_empty() => Change::Relabel,
        _ => Change::Rewrite,
    }
}

/// Whether every value within the old limit is within the new one.
fn fits(ty: &str, old: &[i64], new: &[i64]) -> bool {
    if old == new {
        return true;
    }
    let scale = |limit: &[i64]| limit.get(1).copied().unwrap_or(0);
    match (ty, old, new) {
        ("character varying" | "bit varying" | "numeric", _, []) => true,
        ("character varying" | "bit varying", [old], [new]) => new >= old,
        // Digits behind the point are stored, so their number must stay.
        ("numeric", [digits, ..], [wanted, ..]) => wanted >= digits && scale(old) == scale(new),
        (
            "timestamp without time zone"
            | "timestamp with time zone"
            | "time without time zone"
            | "time with time zone"
            | "interval",
            _,
            [],
        ) => true,
        (
            "timestamp without time zone"
            | "timestamp with time zone"
            | "time without time zone"
            | "time with time zone"
            | "interval",
            [old],
            [new],
        ) => new >= old,
        _ => false,
    }
}
