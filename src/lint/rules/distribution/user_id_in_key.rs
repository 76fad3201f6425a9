//! Keys of per-user tables. A table is per-user when it has a column user_id.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Constraint;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a primary key or unique constraint of a per-user table does not contain \
              user_id",
    why: "A machine that holds the rows of some users can enforce only what is unique \
              per user.",
    remedy: "add user_id to the columns of the key",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    let lacks = |columns: &[String]| !columns.iter().any(|column| column == "user_id");
    for fact in statement.facts {
        let (table, constraints): (_, &[Constraint]) = match fact {
            Fact::CreateTable {
                table,
                columns,
                constraints,
                ..
            } if columns.iter().any(|column| column.name == "user_id") => (table, constraints),
            Fact::AddConstraint { table, constraint } if statement.schema.is_per_user(table) => {
                (table, std::slice::from_ref(constraint))
            }
            Fact::AddColumn {
                table, constraints, ..
            } if statement.schema.is_per_user(table) => (table, constraints),
            Fact::CreateIndex(index) => {
                let per_user = statement.schema.is_per_user(&index.table);
                if index.unique && per_user && lacks(&index.columns) {
                    let message = format!("this unique index of \"{}\" lacks user_id", index.table);
                    found.add(&statement.first_line(), message);
                }
                continue;
            }
            _ => continue,
        };
        let wrong = |c: &&Constraint| c.kind.is_key() && !c.using_index && lacks(&c.columns);
        for key in constraints.iter().filter(wrong) {
            let message = format!("this {} of \"{table}\" lacks user_id", key.kind.words());
            found.add(&key.at, message);
        }
    }
}
