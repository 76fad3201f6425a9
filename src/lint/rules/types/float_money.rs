//! Binary fractions where exact numbers are needed. Parameters and results of functions count,
//! too.

use crate::lint::rule::{Check, Collector, Rule};
use crate::lint::statement::Statement;
use crate::report::Severity;
use crate::syntax::facts::Fact;

pub(super) const RULE: Rule = Rule {
    severity: Severity::Error,
    title: "a floating-point or money type is used",
    why: "0.1 has no binary form: sums of floats drift, two nodes round differently, and \
              an audit cannot tell rounding from loss. The type money depends on a setting \
              of the session.",
    remedy: "use numeric(20,8) for credits and money",
    check: Check::Statement(check),
};

fn check(statement: &Statement<'_>, found: &mut Collector<'_>) {
    for fact in statement.facts {
        match fact {
            Fact::CreateTable { columns, .. } => {
                for column in columns.iter().filter(|column| is_inexact(&column.ty)) {
                    found.add(&column.at, message(&column.name, &column.ty));
                }
            }
            Fact::AddColumn { column, .. } if is_inexact(&column.ty) => {
                found.add(&column.at, message(&column.name, &column.ty));
            }
            Fact::SetType { column, ty, at, .. } if is_inexact(ty) => {
                found.add(at, message(column, ty));
            }
            Fact::CreateFunction(function) => {
                for (name, ty, at) in &function.parameters {
                    if is_inexact(ty) {
                        found.add(at, message(name, ty));
                    }
                }
                if is_inexact(&function.returns) {
                    found.add(&function.at, message(&function.name, &function.returns));
                }
            }
            _ => {}
        }
    }
}

fn message(name: &str, ty: &str) -> String {
    if name.is_empty() {
        return format!("this parameter is no exact number: {ty}");
    }
    format!("\"{name}\" is no exact number: {ty}")
}

fn is_inexact(ty: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = ty.split(|c: char| !is_word(c));
    words.any(|word| ["real", "float", "float4", "float8", "double", "money"].contains(&word))
}
