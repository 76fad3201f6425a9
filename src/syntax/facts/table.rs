//! CREATE TABLE and ALTER TABLE: columns and constraints, inline ones included.

use std::ops::Range;

use squawk_syntax::ast::{self, AstNode, NameLike};
use squawk_syntax::{SourceFile, SyntaxNode};

use super::{Fact, names};

pub(crate) struct Column {
    pub name: String,
    /// In the form of [`names::words`].
    pub ty: String,
    pub not_null: bool,
    pub identity: bool,
    pub at: Range<usize>,
}

#[derive(Clone)]
pub(crate) struct Constraint {
    pub name: Option<String>,
    pub kind: Kind,
    /// The columns of the table itself.
    pub columns: Vec<String>,
    /// Whether it proves something about the rows that are there (no NOT VALID).
    pub valid: bool,
    /// Whether an index that exists takes over its work.
    pub using_index: bool,
    pub at: Range<usize>,
}

#[derive(Clone)]
pub(crate) enum Kind {
    PrimaryKey,
    Unique,
    Exclude,
    /// With the column of which it says IS NOT NULL, where it says no more than that.
    Check(Option<String>),
    NotNull,
    ForeignKey(Reference),
}

#[derive(Clone)]
pub(crate) struct Reference {
    pub table: String,
    /// Empty for the primary key.
    pub columns: Vec<String>,
    /// A SET NULL or SET DEFAULT action.
    pub sets: Option<Range<usize>>,
}

impl Kind {
    /// What a person calls it.
    pub fn words(&self) -> &'static str {
        match self {
            Self::PrimaryKey => "primary key",
            Self::Unique => "unique constraint",
            Self::Exclude => "exclusion constraint",
            Self::Check(_) => "check",
            Self::NotNull => "not-null constraint",
            Self::ForeignKey(_) => "foreign key",
        }
    }

    pub fn is_key(&self) -> bool {
        matches!(self, Self::PrimaryKey | Self::Unique | Self::Exclude)
    }
}

impl Constraint {
    /// The table that a foreign key refers to.
    pub(super) fn target_mut(&mut self) -> Option<&mut String> {
        match &mut self.kind {
            Kind::ForeignKey(reference) => Some(&mut reference.table),
            _ => None,
        }
    }
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
                columns.push(self::column(name, column.ty(), &parts, column.syntax()));
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
    ty: Option<ast::Type>,
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
        at: node.text_range().into(),
    }
}

/// The constraints in the definition of a column; defaults and NOT NULL are none here.
fn inline(column: &str, parts: &[SyntaxNode]) -> Vec<Constraint> {
    parts
        .iter()
        .filter(|part| !ast::NotNullConstraint::can_cast(part.kind()))
        .filter_map(|part| constraint(part, Some(column)))
        .collect()
}

fn constraint(node: &SyntaxNode, column: Option<&str>) -> Option<Constraint> {
    let constraint = ast::Constraint::cast(node.clone())?;
    let own = || column.map(|name| vec![name.to_owned()]);
    let (kind, columns, using_index) = match &constraint {
        ast::Constraint::PrimaryKeyConstraint(key) => {
            let columns = own().or_else(|| Some(key_columns(key.index_parameters()?)));
            (Kind::PrimaryKey, columns, key.using_index().is_some())
        }
        ast::Constraint::UniqueConstraint(key) => {
            let columns = own().or_else(|| Some(key_columns(key.index_parameters()?)));
            (Kind::Unique, columns, key.using_index().is_some())
        }
        ast::Constraint::ExcludeConstraint(exclude) => {
            let list = exclude.constraint_exclusion_list();
            let columns = list.map(|list| column_refs(list.syntax()));
            (Kind::Exclude, columns, false)
        }
        ast::Constraint::CheckConstraint(check) => {
            let column = check.expr().as_ref().and_then(not_null_of);
            (Kind::Check(column), own(), false)
        }
        ast::Constraint::NotNullConstraint(not_null) => {
            let column = not_null.column_name_ref().map(|name| vec![name.text()]);
            (Kind::NotNull, column, false)
        }
        ast::Constraint::ForeignKeyConstraint(key) => {
            let from = key.from_columns().map(|list| column_refs(list.syntax()));
            let to = key.to_columns().map(|list| column_refs(list.syntax()));
            let table = names::first(key.table_name_ref()?.syntax());
            let kind = reference(table, to.unwrap_or_default(), key.referential_actions());
            (kind, from, false)
        }
        ast::Constraint::ReferencesConstraint(key) => {
            let to = key.column().map(|name| vec![name.text()]);
            let table = names::first(key.table()?.syntax());
            let kind = reference(table, to.unwrap_or_default(), key.referential_actions());
            (kind, own(), false)
        }
        ast::Constraint::DefaultConstraint(_)
        | ast::Constraint::GeneratedConstraint(_)
        | ast::Constraint::NullConstraint(_) => return None,
    };
    Some(Constraint {
        name: constraint.constraint_name().map(|name| name.text()),
        kind,
        columns: columns.unwrap_or_default(),
        valid: !constraint.is_not_valid() && !names::words(node).contains("not enforced"),
        using_index,
        at: node.text_range().into(),
    })
}

fn key_columns(parameters: ast::IndexParameters) -> Vec<String> {
    let list = parameters.column_list();
    list.map(|list| column_refs(list.syntax()))
        .unwrap_or_default()
}

fn column_refs(node: &SyntaxNode) -> Vec<String> {
    let is_name =
        |n: &SyntaxNode| ast::ColumnNameRef::can_cast(n.kind()) || ast::NameRef::can_cast(n.kind());
    let names = node.descendants().filter(is_name);
    names.map(|name| ast::normalize_name_node(&name)).collect()
}

fn reference(
    table: String,
    columns: Vec<String>,
    actions: impl Iterator<Item = ast::ReferentialAction>,
) -> Kind {
    let sets = |action: ast::ReferentialAction| {
        let is_set = action.syntax().descendants().any(|node| {
            ast::SetNullColumns::can_cast(node.kind())
                || ast::SetDefaultColumns::can_cast(node.kind())
        });
        is_set.then(|| Range::<usize>::from(action.syntax().text_range()))
    };
    let sets = actions.into_iter().find_map(sets);
    Kind::ForeignKey(Reference {
        table,
        columns,
        sets,
    })
}

/// The columns of which a condition in SQL says that they are not null, by itself or with AND.
pub(crate) fn proven_not_null(condition: &str) -> Vec<String> {
    let parse = SourceFile::parse(&format!("SELECT {condition}"));
    let mut expressions = parse
        .tree()
        .syntax()
        .descendants()
        .filter_map(ast::Expr::cast);
    expressions
        .next()
        .map(|e| conjuncts(&e))
        .unwrap_or_default()
}

fn conjuncts(expression: &ast::Expr) -> Vec<String> {
    match expression {
        ast::Expr::ParenExpr(inner) => inner.expr().map(|e| conjuncts(&e)).unwrap_or_default(),
        ast::Expr::BinExpr(and) if matches!(and.op(), Some(ast::BinOp::And(_))) => {
            let sides = [and.lhs(), and.rhs()];
            sides.iter().flatten().flat_map(conjuncts).collect()
        }
        other => not_null_of(other).into_iter().collect(),
    }
}

/// The column of `column IS NOT NULL`.
fn not_null_of(expression: &ast::Expr) -> Option<String> {
    match expression {
        ast::Expr::ParenExpr(inner) => not_null_of(&inner.expr()?),
        ast::Expr::BinExpr(test) => {
            let is_not = matches!(test.op()?, ast::BinOp::IsNot(_));
            let null =
                matches!(test.rhs()?, ast::Expr::Literal(l) if names::words(l.syntax()) == "null");
            match test.lhs()? {
                ast::Expr::NameRef(name) if is_not && null => Some(name.text()),
                _ => None,
            }
        }
        _ => None,
    }
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
                column: column(name, add.ty(), &parts, add.syntax()),
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
                    collation: set
                        .collate()
                        .and_then(|collate| collate.collation_ref())
                        .map(|collation| names::first(collation.syntax())),
                    using: set.using_expr().is_some(),
                    at,
                },
                _ => return None,
            }
        }
        _ => return None,
    })
}
