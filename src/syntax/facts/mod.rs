//! What statements do, as plain data: the syntax tree is taken apart here, once, so that the schema
//! and most rules need not know it.

mod constraint;
mod function;
mod names;
mod table;

use std::iter;
use std::ops::Range;

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

pub(crate) use constraint::{Constraint, Kind, Reference, proven_not_null};
pub(crate) use function::Function;
pub(crate) use names::{all as all_names, named, without_public, words};
pub(crate) use table::Column;

/// One thing that a statement does. Names are folded as the server folds them, without quotes and
/// without the schema `pg_catalog`.
pub(crate) enum Fact {
    CreateTable {
        table: String,
        columns: Vec<Column>,
        constraints: Vec<Constraint>,
        partition_of: Option<String>,
    },
    /// Anything else in a schema that gets a name: view, procedure, type, sequence.
    Create(Space, String),
    /// Named by itself, or else after the role that is to own it.
    CreateSchema(String),
    CreateIndex(Index),
    CreateFunction(Function),
    AddColumn {
        table: String,
        column: Column,
        constraints: Vec<Constraint>,
    },
    AddConstraint {
        table: String,
        constraint: Constraint,
    },
    Validate {
        table: String,
        constraint: String,
        at: Range<usize>,
    },
    DropConstraint {
        table: String,
        constraint: String,
    },
    SetNotNull {
        table: String,
        column: String,
        at: Range<usize>,
    },
    DropNotNull {
        table: String,
        column: String,
    },
    SetType {
        table: String,
        column: String,
        ty: String,
        /// The one that it asks for, without the schema `pg_catalog`.
        collation: Option<String>,
        /// Whether a USING expression computes the new values.
        using: bool,
        at: Range<usize>,
    },
    /// GENERATED AS IDENTITY for a column that exists.
    AddIdentity {
        at: Range<usize>,
    },
    DropColumn {
        table: String,
        column: String,
    },
    RenameColumn {
        table: String,
        from: String,
        to: String,
    },
    RenameTable {
        from: String,
        to: String,
    },
    /// Any other change of a table.
    AlterTable(String),
    Drop(Space, Vec<String>),
}

/// Objects of which no two in a schema have one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    /// Tables, views, sequences, indexes; and types, as each table is one.
    Relations,
    /// Functions and procedures.
    Routines,
    Schemas,
}

/// A CREATE INDEX.
pub(crate) struct Index {
    pub name: Option<String>,
    pub table: String,
    pub unique: bool,
    pub concurrently: bool,
    pub if_not_exists: bool,
    /// Its plain columns; expressions left out.
    pub columns: Vec<String>,
    /// All that it depends on: also in expressions, in its condition and behind INCLUDE.
    pub mentions: Vec<String>,
    /// Neither with expressions nor with a condition.
    pub exact: bool,
}

impl Fact {
    /// With names as they are without the schema `public`: whoever reads files only has no search
    /// path, and both spellings mean one table.
    pub fn without_public(mut self) -> Self {
        for name in self.names_mut() {
            *name = names::without_public(name).to_owned();
        }
        self
    }

    /// The names that may have a schema.
    fn names_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::CreateTable {
                table,
                constraints,
                partition_of,
                ..
            } => {
                let targets = constraints.iter_mut().filter_map(Constraint::target_mut);
                let names = iter::once(table).chain(partition_of);
                names.chain(targets).collect()
            }
            Self::AddColumn {
                table, constraints, ..
            } => {
                let targets = constraints.iter_mut().filter_map(Constraint::target_mut);
                iter::once(table).chain(targets).collect()
            }
            Self::AddConstraint { table, constraint } => {
                iter::once(table).chain(constraint.target_mut()).collect()
            }
            Self::CreateFunction(function) => vec![&mut function.name],
            Self::CreateIndex(Index { table, .. })
            | Self::Create(_, table)
            | Self::AlterTable(table)
            | Self::RenameTable { from: table, .. }
            | Self::Validate { table, .. }
            | Self::DropConstraint { table, .. }
            | Self::SetNotNull { table, .. }
            | Self::DropNotNull { table, .. }
            | Self::SetType { table, .. }
            | Self::DropColumn { table, .. }
            | Self::RenameColumn { table, .. } => vec![table],
            Self::Drop(_, names) => names.iter_mut().collect(),
            Self::CreateSchema(_) | Self::AddIdentity { .. } => Vec::new(),
        }
    }

    /// The table that exists already and that this changes.
    pub fn altered_table(&self) -> Option<&str> {
        match self {
            Self::CreateIndex(index) => Some(&index.table),
            Self::AddColumn { table, .. }
            | Self::AddConstraint { table, .. }
            | Self::Validate { table, .. }
            | Self::DropConstraint { table, .. }
            | Self::SetNotNull { table, .. }
            | Self::DropNotNull { table, .. }
            | Self::SetType { table, .. }
            | Self::DropColumn { table, .. }
            | Self::RenameColumn { table, .. }
            | Self::RenameTable { from: table, .. }
            | Self::AlterTable(table) => Some(table),
            Self::CreateTable { .. }
            | Self::Create(..)
            | Self::CreateSchema(_)
            | Self::CreateFunction(_)
            | Self::AddIdentity { .. }
            | Self::Drop(..) => None,
        }
    }
}

/// What a statement does; nothing where the schema and the rules need not know.
pub(crate) fn of(statement: &ast::Stmt) -> Vec<Fact> {
    use ast::Stmt;
    match statement {
        Stmt::CreateTable(create) => table::create(create).into_iter().collect(),
        Stmt::AlterTable(alter) => table::alter(alter),
        Stmt::CreateTableAs(create) => new_table(create.table_name()),
        Stmt::SelectInto(select) => {
            new_table(select.into_clause().and_then(|into| into.table_name()))
        }
        Stmt::CreateIndex(create) => index(create).into_iter().collect(),
        Stmt::CreateFunction(create) => function::of(create).into_iter().collect(),
        Stmt::DropFunction(drop) => {
            let names = named::<ast::FunctionNameRef>(drop.syntax());
            vec![Fact::Drop(Space::Routines, names)]
        }
        Stmt::DropProcedure(drop) => {
            let names = named::<ast::ProcedureNameRef>(drop.syntax());
            vec![Fact::Drop(Space::Routines, names)]
        }
        Stmt::DropSchema(drop) => {
            let names = named::<ast::SchemaRef>(drop.syntax());
            vec![Fact::Drop(Space::Schemas, names)]
        }
        Stmt::DropTable(_)
        | Stmt::DropIndex(_)
        | Stmt::DropView(_)
        | Stmt::DropMaterializedView(_)
        | Stmt::DropSequence(_)
        | Stmt::DropType(_)
        | Stmt::DropDomain(_)
        | Stmt::DropForeignTable(_) => {
            vec![Fact::Drop(Space::Relations, names::all(statement.syntax()))]
        }
        Stmt::CreateMaterializedView(create) => {
            let name = create.view().map(|view| names::first(view.syntax()));
            name.into_iter().map(empty_table).collect()
        }
        Stmt::CreateSchema(create) => schema(create).into_iter().collect(),
        Stmt::CreateProcedure(_) => {
            let name = names::first(statement.syntax());
            vec![Fact::Create(Space::Routines, name)]
        }
        Stmt::CreateView(_)
        | Stmt::CreateSequence(_)
        | Stmt::CreateType(_)
        | Stmt::CreateDomain(_)
        | Stmt::CreateForeignTable(_) => {
            let name = names::first(statement.syntax());
            vec![Fact::Create(Space::Relations, name)]
        }
        _ => Vec::new(),
    }
}

/// The table whose rows a part of a statement changes or deletes.
pub(crate) fn rewritten(node: &SyntaxNode) -> Option<SyntaxNode> {
    if let Some(update) = ast::Update::cast(node.clone()) {
        return Some(update.relation_name()?.syntax().clone());
    }
    if let Some(delete) = ast::Delete::cast(node.clone()) {
        return Some(delete.relation_name()?.syntax().clone());
    }
    let merge = ast::Merge::cast(node.clone())?;
    let changes = |node: SyntaxNode| {
        ast::MergeUpdate::can_cast(node.kind()) || ast::MergeDelete::can_cast(node.kind())
    };
    let any = merge.syntax().descendants().any(changes);
    Some(
        merge
            .table_relation_name()
            .filter(|_| any)?
            .syntax()
            .clone(),
    )
}

/// The elements of a schema, which have names of their own, come after its name.
fn schema(create: &ast::CreateSchema) -> Option<Fact> {
    let target = create.create_schema_target()?;
    let name = match &target {
        ast::CreateSchemaTarget::NamedSchema(named) => named.schema()?.syntax().clone(),
        ast::CreateSchemaTarget::AuthorizationSchema(owned) => owned.role()?.syntax().clone(),
    };
    Some(Fact::CreateSchema(names::first(&name)))
}

fn new_table(name: Option<ast::TableName>) -> Vec<Fact> {
    let name = name.map(|name| names::first(name.syntax()));
    name.into_iter().map(empty_table).collect()
}

/// A table of which only the name is known.
fn empty_table(table: String) -> Fact {
    Fact::CreateTable {
        table,
        columns: Vec::new(),
        constraints: Vec::new(),
        partition_of: None,
    }
}

fn index(create: &ast::CreateIndex) -> Option<Fact> {
    let items = create.partition_item_list()?;
    let column = |item: ast::PartitionItem| match item.expr()? {
        ast::Expr::NameRef(name) => Some(name.text()),
        _ => None,
    };
    let count = items.partition_items().count();
    let columns: Vec<String> = items.partition_items().filter_map(column).collect();
    let condition = create.where_clause();
    let included = create.index_include_clause();
    let mut mentions = constraint::mentioned(items.syntax());
    mentions.extend(
        condition
            .iter()
            .flat_map(|c| constraint::mentioned(c.syntax())),
    );
    mentions.extend(
        included
            .iter()
            .flat_map(|i| constraint::column_refs(i.syntax())),
    );
    Some(Fact::CreateIndex(Index {
        name: create.index().map(|index| names::first(index.syntax())),
        table: table::relation(create.table_relation_name()?)?,
        unique: create.unique_token().is_some(),
        concurrently: create.concurrently_token().is_some(),
        if_not_exists: create.if_not_exists().is_some(),
        exact: condition.is_none() && columns.len() == count,
        columns,
        mentions,
    }))
}
