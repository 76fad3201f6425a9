//! CREATE TABLE and ALTER TABLE: columns and constraints, inline ones included.

use std::ops::Range;

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode, NameLike};

use super::constraint::{constraint, inline};
use super::{Fact, names};

pub(crate) struct Column {
    pub name: String,
    /// In the form of [`names::words`].
    pub ty: String,
    pub not_null: bool,
    pub identity: bool,
    /// The one that it asks for, without the schema `pg_catalog`; empty for that of the type.
    pub collation: String,
    pub at: Range<usize>,
}

pub(super) fn relation(name: ast::TableRelationName) -> Option<String> {
    Some(names::first(name.table_name_ref()?.syntax()))
}

pub(super) fn create(create: &ast::CreateTable) -> Option<Fact> {
    let mut columns = Vec::new();
    let mut constraints = Vec::new();
    let arguments = create
        .table_arg_list()
        .into_iter()
        .flat_map(|list| list.args());
    for argument in arguments {
        match argument {
            ast::TableArg::Column(column) => {
                let name = column.name()?.text();
                let parts: Vec<SyntaxNode> = column
                    .clauses()
                    .filter_map(|clause| match clause {
                        ast::ColumnClause::ColumnConstraint(c) => Some(c.syntax().clone()),
                        _ => None,
                    })
                    .collect();
                constraints.extend(inline(&name, &parts));
                let mut clauses = column.clauses();
                let collate = clauses.find_map(|clause| match clause {
                    ast::ColumnClause::Collate(collate) => Some(collate),
                    _ => None,
                });
                let ty = (column.ty(), collate);
                columns.push(self::column(name, ty, &parts, column.syntax()));
            }
            ast::TableArg::TableConstraint(constraint) => {
                constraints.extend(self::constraint(constraint.syntax(), None));
            }
            ast::TableArg::LikeClause(_) => {}
        }
    }
    let parent = create.partition_of().and_then(|of| of.table_name_ref());
    Some(Fact::CreateTable {
        table: names::first(create.table_name()?.syntax()),
        columns,
        constraints,
        partition_of: parent.map(|parent| names::first(parent.syntax())),
    })
}

fn column(
    name: String,
    (ty, collate): (Option<ast::Type>, Option<ast::Collate>),
    constraints: &[SyntaxNode],
    node: &SyntaxNode,
) -> Column {
    let ty = ty.map(|ty| names::words(ty.syntax())).unwrap_or_default();
    let has = |test: fn(&SyntaxNode) -> bool| constraints.iter().any(test);
    Column {
        not_null: has(|c| {
            ast::NotNullConstraint::can_cast(c.kind())
                || ast::PrimaryKeyConstraint::can_cast(c.kind())
        }) || ty.contains("serial"),
        identity: ty.contains("serial")
            || has(|c| {
                c.descendants()
                    .any(|n| ast::GeneratedIdentity::can_cast(n.kind()))
            }),
        name,
        ty,
        collation: collate.as_ref().and_then(collation).unwrap_or_default(),
        at: node.text_range().into(),
    }
}

/// Empty for that of the type.
fn collation(collate: &ast::Collate) -> Option<String> {
    let name = names::first(collate.collation_ref()?.syntax());
    Some(if name == "default" {
        String::new()
    } else {
        name
    })
}

pub(super) fn alter(alter: &ast::AlterTable) -> Vec<Fact> {
    let Some(table) = alter.table_relation_name().and_then(relation) else {
        return Vec::new();
    };
    alter
        .actions()
        .map(|action| change(&table, &action).unwrap_or_else(|| Fact::AlterTable(table.clone())))
        .collect()
}

fn change(table: &str, action: &ast::AlterTableAction) -> Option<Fact> {
    use ast::AlterTableAction as Action;
    let at = action.syntax().text_range().into();
    let table = table.to_owned();
    Some(match action {
        Action::AddColumn(add) => {
            let name = add.column_name()?.text();
            let parts: Vec<SyntaxNode> = add.constraints().map(|c| c.syntax().clone()).collect();
            Fact::AddColumn {
                table,
                constraints: inline(&name, &parts),
                column: column(name, (add.ty(), add.collate()), &parts, add.syntax()),
            }
        }
        Action::AddConstraint(add) => Fact::AddConstraint {
            table,
            constraint: constraint(add.constraint()?.syntax(), None)?,
        },
        Action::ValidateConstraint(validate) => Fact::Validate {
            table,
            constraint: names::first(validate.constraint_name_ref()?.syntax()),
            at,
        },
        Action::DropConstraint(drop) => Fact::DropConstraint {
            table,
            constraint: names::first(drop.constraint_name_ref()?.syntax()),
        },
        Action::DropColumn(drop) => Fact::DropColumn {
            table,
            column: drop.column_name_ref()?.text(),
        },
        Action::RenameColumn(rename) => Fact::RenameColumn {
            table,
            from: rename.column_name_ref()?.text(),
            to: rename.column_name()?.text(),
        },
        Action::TableRenameTo(rename) => Fact::RenameTable {
            from: table,
            to: names::first(rename.table_name()?.syntax()),
        },
        Action::AlterColumn(alter) => {
            let column = alter.column_name_ref()?.text();
            match alter.option()? {
                ast::AlterColumnOption::SetNotNull(_) => Fact::SetNotNull { table, column, at },
                ast::AlterColumnOption::DropNotNull(_) => Fact::DropNotNull { table, column },
                ast::AlterColumnOption::AddGenerated(_) => Fact::AddIdentity { at },
                ast::AlterColumnOption::SetType(set) => Fact::SetType {
                    table,
                    column,
                    ty: names::words(set.ty()?.syntax()),
                    collation: set.collate().as_ref().and_then(collation),
                    using: set.using_expr().is_some(),
                    at,
                },
                _ => return None,
            }
        }
        _ => return None,
    })
}
