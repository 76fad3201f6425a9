//! Keys that run out. A key is a column of a primary or foreign key, a serial, or one that is
//! named like an id.

use squawk_syntax::ast::{AstNode, OptionAsType, Stmt};

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;
use crate::syntax::facts::{Column, Constraint, Kind, words};

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a key has four bytes or less",
    why: "After 2147483647 rows, gaps included, inserts fail; the way out is to rewrite \
              the largest table while the gateway is down.",
    remedy: "use bigint with a named sequence",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        let (columns, constraints): (&[Column], &[Constraint]) = match fact {
            Fact::CreateTable {
                columns,
                constraints,
                ..
            } => (columns, constraints),
            Fact::AddColumn {
                column,
                constraints,
                ..
            } => (std::slice::from_ref(column), constraints),
            _ => continue,
        };
        let in_key = |name: &String| {
            let names_it = |c: &Constraint| c.columns.contains(name);
            let is_key = |c: &Constraint| matches!(c.kind, Kind::PrimaryKey | Kind::ForeignKey(_));
            constraints.iter().any(|c| is_key(c) && names_it(c))
        };
        for column in columns.iter().filter(|column| is_small(&column.ty)) {
            let is_id = column.name == "id" || column.name.ends_with("_id");
            if is_id || column.identity || in_key(&column.name) {
                let message = format!("the key \"{}\" is {}", column.name, column.ty);
                found.add(&column.at, message);
            }
        }
    }
    if let Stmt::CreateSequence(create) = statement.node {
        for option in create.syntax().descendants().filter_map(OptionAsType::cast) {
            if option.ty().is_some_and(|ty| is_small(&words(ty.syntax()))) {
                let at = option.syntax().text_range().into();
                found.add(&at, "this sequence ends at the largest number of its type");
            }
        }
    }
}

fn is_small(ty: &str) -> bool {
    let small = [
        "integer",
        "int",
        "int4",
        "smallint",
        "int2",
        "serial",
        "serial4",
        "smallserial",
        "serial2",
    ];
    small.contains(&ty)
}
