//! The column that users are told apart by, and that tables are distributed by.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;
use crate::syntax::facts::Kind;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "user_id is not uuid NOT NULL",
    why: "user_id is the subject of the identity provider, a uuid. Tables that are \
              distributed by it need one type everywhere, or no join stays on one machine; a \
              row without it belongs to nobody.",
    remedy: "declare it as user_id uuid NOT NULL",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        match fact {
            Fact::CreateTable {
                columns,
                constraints,
                ..
            } => {
                let Some(column) = columns.iter().find(|c| c.name == "user_id") else {
                    continue;
                };
                let in_key = constraints.iter().any(|c| {
                    matches!(c.kind, Kind::PrimaryKey) && c.columns.iter().any(|c| c == "user_id")
                });
                if column.ty != "uuid" {
                    found.add(&column.at, format!("user_id is {}", column.ty));
                } else if !column.not_null && !in_key {
                    found.add(&column.at, "user_id may be NULL");
                }
            }
            // Filled and required later: it may be NULL for now.
            Fact::AddColumn { column, .. } if column.name == "user_id" && column.ty != "uuid" => {
                found.add(&column.at, format!("user_id is {}", column.ty));
            }
            Fact::SetType { column, ty, at, .. } if column == "user_id" && ty != "uuid" => {
                found.add(at, format!("user_id becomes {ty}"));
            }
            Fact::DropNotNull { column, .. } if column == "user_id" => {
                found.add(&statement.first_line(), "user_id may be NULL after this");
            }
            _ => {}
        }
    }
}
