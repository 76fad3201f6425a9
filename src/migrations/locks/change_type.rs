//! Whether a column gets another type without its values being touched.

use squawk_syntax::ast::{AstNode, Expr};

use super::alter_table::bare;
use super::world::{Column, World};
use crate::syntax::facts::words;

/// What a column is to become.
pub(super) struct Wanted<'a> {
    pub ty: &'a str,
    /// Empty for that of the type.
    pub collation: &'a str,
    /// What computes the new values, where the old ones are not to be taken as they are.
    pub using: Option<Expr>,
}

impl Wanted<'_> {
    /// As [`Column::collation`] gives it.
    pub fn collation(&self) -> &str {
        bare(self.collation)
    }
}

/// What a change of a type costs; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// What it costs to make a column what is wanted.
pub(super) fn of(world: &World, old: &Column, wanted: &Wanted<'_>) -> Change {
    let from = match &wanted.using {
        _ if old.stored => None,
        None => Some((old.ty.clone(), Change::Nothing)),
        Some(expression) => casts(world, old, expression),
    };
    let Some((from, casts)) = from else {
        return Change::Rewrite;
    };
    let change = casts.max(between(world, &from, wanted.ty));
    if wanted.collation() == old.collation {
        change
    } else {
        // The values stay, but indexes order them anew.
        change.max(Change::Relabel)
    }
}

/// The type of an expression that is the column or a cast of it, with what the casts cost. The
/// server looks through casts that touch no value, and through nothing else.
fn casts(world: &World, old: &Column, expression: &Expr) -> Option<(String, Change)> {
    match expression {
        Expr::NameRef(name) if name.text() == old.name => Some((old.ty.clone(), Change::Nothing)),
        Expr::ParenExpr(inner) => casts(world, old, &inner.expr()?),
        Expr::CastExpr(cast) => {
            let (from, change) = casts(world, old, &cast.expr()?)?;
            let ty = words(cast.ty()?.syntax());
            let change = change.max(between(world, &from, &ty));
            Some((ty, change))
        }
        _ => None,
    }
}

fn between(world: &World, old: &str, new: &str) -> Change {
    // Values of a domain are those of its base; a new domain that checks them reads them all, and
    // the server does so by writing them again.
    if world.is_constrained_domain(new) {
        return Change::Rewrite;
    }
    let (from, old_limit) = normal(world.base(old));
    let (to, new_limit) = normal(world.base(new));
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
