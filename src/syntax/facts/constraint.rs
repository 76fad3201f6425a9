//! Constraints, also those inside of the definition of a column.

use std::ops::Range;

use squawk_syntax::ast::{self, AstNode, NameLike};
use squawk_syntax::{SourceFile, SyntaxNode};

use super::names;

#[derive(Clone)]
pub(crate) struct Constraint {
    pub name: Option<String>,
    pub kind: Kind,
    /// The columns of the table itself.
    pub columns: Vec<String>,
    /// Whether it proves something about the rows that are there (no NOT VALID).
    pub valid: bool,
    /// Whether it is asked of new rows at all (no NOT ENFORCED).
    pub enforced: bool,
    /// Whether children get it, too (no NO INHERIT).
    pub inherits: bool,
    /// Whether an index that exists takes over its work.
    pub using_index: bool,
    pub at: Range<usize>,
}

#[derive(Clone)]
pub(crate) enum Kind {
    PrimaryKey,
    Unique,
    Exclude,
    /// With the columns of which it says IS NOT NULL, by itself or with AND.
    Check(Vec<String>),
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

    /// Follows a column of its table to a new name.
    pub fn rename_column(&mut self, from: &str, to: &str) {
        let proven = match &mut self.kind {
            Kind::Check(columns) => columns.iter_mut(),
            _ => [].iter_mut(),
        };
        for column in self.columns.iter_mut().chain(proven) {
            if column == from {
                to.clone_into(column);
            }
        }
    }

    /// What the server calls it: its name, or the one that is made of table and columns, with a
    /// number where another has that one. Nothing where that cannot be told.
    pub fn name_in(&self, table: &str, taken: impl Fn(&str) -> bool) -> Option<String> {
        /// Bytes of a name; what is longer the server shortens in its middle.
        const LONGEST: usize = 63;
        if self.name.is_some() || self.using_index {
            return self.name.clone();
        }
        let columns = self.columns.join("_");
        let (columns, label) = match &self.kind {
            Kind::PrimaryKey => ("", "pkey"),
            Kind::Unique => (&columns[..], "key"),
            Kind::Exclude => (&columns[..], "excl"),
            Kind::Check(_) if self.columns.len() == 1 => (&columns[..], "check"),
            Kind::Check(_) => ("", "check"),
            Kind::NotNull => (&columns[..], "not_null"),
            Kind::ForeignKey(_) => (&columns[..], "fkey"),
        };
        let table = table.rsplit('.').next().unwrap_or_default();
        let parts = [table, columns, label];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let base = parts.join("_");
        let numbered = (0..).map(|n| match n {
            0 => base.clone(),
            n => format!("{base}{n}"),
        });
        let mut free = numbered.filter(|name| !taken(name));
        free.next().filter(|name| name.len() <= LONGEST)
    }
}

/// The constraints in the definition of a column; defaults and NOT NULL are none here.
pub(super) fn inline(column: &str, parts: &[SyntaxNode]) -> Vec<Constraint> {
    parts
        .iter()
        .filter(|part| !ast::NotNullConstraint::can_cast(part.kind()))
        .filter_map(|part| constraint(part, Some(column)))
        .collect()
}

pub(super) fn constraint(node: &SyntaxNode, column: Option<&str>) -> Option<Constraint> {
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
            let expression = check.expr();
            let proven = expression.as_ref().map(conjuncts);
            let columns = expression.map(|expression| mentioned(expression.syntax()));
            (Kind::Check(proven.unwrap_or_default()), columns, false)
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
    let words = names::words(node);
    let enforced = !words.contains("not enforced");
    Some(Constraint {
        name: constraint.constraint_name().map(|name| name.text()),
        kind,
        columns: columns.unwrap_or_default(),
        valid: !constraint.is_not_valid() && enforced,
        enforced,
        inherits: !words.contains("no inherit"),
        using_index,
        at: node.text_range().into(),
    })
}

fn key_columns(parameters: ast::IndexParameters) -> Vec<String> {
    let list = parameters.column_list();
    list.map(|list| column_refs(list.syntax()))
        .unwrap_or_default()
}

pub(super) fn column_refs(node: &SyntaxNode) -> Vec<String> {
    let is_name =
        |n: &SyntaxNode| ast::ColumnNameRef::can_cast(n.kind()) || ast::NameRef::can_cast(n.kind());
    let names = node.descendants().filter(is_name);
    names.map(|name| ast::normalize_name_node(&name)).collect()
}

/// The columns that a part of a statement names, each once. What is called or cast to is none, and
/// neither is the table in front of a column.
pub(super) fn mentioned(node: &SyntaxNode) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in node.descendants().filter_map(ast::NameRef::cast) {
        let is_other = |up: SyntaxNode| {
            let callee = ast::CallExpr::cast(up.clone()).and_then(|call| call.expr());
            let table = ast::FieldExpr::cast(up.clone()).and_then(|field| field.base());
            let mut parts = callee.into_iter().chain(table);
            let here = name.syntax().text_range();
            let is_part = parts.any(|part| part.syntax().text_range().contains_range(here));
            is_part || ast::Type::can_cast(up.kind())
        };
        let text = name.text();
        if !name.syntax().ancestors().any(is_other) && !columns.contains(&text) {
            columns.push(text);
        }
    }
    columns
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
