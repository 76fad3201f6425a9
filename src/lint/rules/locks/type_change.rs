//! A type that changes under everybody who reads the column. Changes that the server makes in
//! the catalogue alone are left out, when an earlier file tells the old type.

use squawk_linter::Rule as Squawk;
use squawk_syntax::ast::Stmt;

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "the type of an existing column changes",
    why: "The table and its indexes are rewritten under an ACCESS EXCLUSIVE lock, and \
              prepared statements and programs still expect the old type.",
    remedy: "add a column of the new type, write both, fill the old rows in batches, then \
              switch the readers",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let in_table = matches!(statement.node, Stmt::AlterTable(_));
    if in_table && statement.existing_table().is_none() {
        return;
    }
    for at in statement.squawk(&[Squawk::ChangingColumnType]) {
        let fact = statement.facts.iter().find_map(|fact| match fact {
            Fact::SetType {
                table,
                column,
                ty,
                collation,
                using,
                at: place,
            } if place.start <= at.start && at.end <= place.end => {
                // Another collation leaves the values alone, but orders the indexes anew; without a
                // word it is that of the type again.
                let is_collated = statement.schema.is_collated(table, column);
                let costs = *using || collation.is_some() || is_collated;
                Some((table, column, ty, costs))
            }
            _ => None,
        });
        let Some((table, column, ty, costs)) = fact else {
            found.add(&at, "whoever uses this type expects the old attribute");
            continue;
        };
        let old = statement.schema.column_type(table, column);
        if !costs && old.is_some_and(|old| is_free(old, ty)) {
            continue;
        }
        let from = old.map(|old| format!(" from {old}")).unwrap_or_default();
        let message =
            format!("changing \"{column}\"{from} to {ty} rewrites \"{table}\" or its indexes");
        found.add(&at, message);
    }
}

/// Whether every stored value is valid as it is, so that only the catalogue changes.
fn is_free(old: &str, new: &str) -> bool {
    // Of arrays each element is looked at.
    if old.contains('[') || new.contains('[') {
        return false;
    }
    let (old_name, old_limits) = parts(old);
    let (new_name, new_limits) = parts(new);
    let is_text = |name: &str| ["varchar", "character varying", "text"].contains(&name);
    let grows = match (old_limits.first(), new_limits.first()) {
        (_, None) => true,
        (Some(old), Some(new)) => old <= new,
        (None, Some(_)) => false,
    };
    let is_numeric = |name: &str| ["numeric", "decimal"].contains(&name);
    if is_text(old_name) && is_text(new_name) {
        return grows;
    }
    // Without a scale the values stay as they are; with one, it has to be the same.
    let same_scale = new_limits.is_empty() || old_limits.get(1) == new_limits.get(1);
    is_numeric(old_name) && is_numeric(new_name) && grows && same_scale
}

/// `numeric(20,8)` as `numeric` and 20, 8.
fn parts(ty: &str) -> (&str, Vec<u32>) {
    let (name, limits) = ty.split_once('(').unwrap_or((ty, ""));
    let numbers = limits.trim_end_matches(')').split(',');
    (
        name,
        numbers.filter_map(|n| n.trim().parse().ok()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::is_free;

    #[test]
    fn only_growing_limits_are_free() {
        for (old, new) in [
            ("varchar(10)", "varchar(20)"),
            ("varchar(10)", "text"),
            ("numeric(10,2)", "numeric(20,2)"),
            ("numeric(10,2)", "numeric"),
        ] {
            assert!(is_free(old, new), "{old} to {new}");
            assert!(!is_free(new, old), "{new} to {old}");
        }
        assert!(!is_free("numeric(10,2)", "numeric(20,4)"));
        assert!(!is_free("integer", "bigint"));
        assert!(!is_free("varchar(10)[]", "varchar(20)[]"));
        assert!(!is_free("numeric(10,2)[]", "numeric(20,2)[]"));
    }
}
